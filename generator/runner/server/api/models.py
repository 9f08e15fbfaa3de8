"""What the API answers, for its OpenAPI document."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, Field

from generator.runner.server.runs.model import RunState


class Problem(BaseModel):
    """An error (RFC 9457)."""

    type: str = Field(description="an address that names the kind of error; about:blank for that of the status alone")
    title: str = Field(description="the status in words")
    status: int
    detail: str = Field(description="what is wrong, and what to do")
    issues: list[str] | None = Field(None, description="what is wrong, one by one")


class RunEntity(BaseModel):
    """The state of a run."""

    id: str
    notebook: str = Field(description="the notebook's path")
    state: RunState
    cell: int = Field(description="the running cell, from 1; 0 before the first")
    cells: int = Field(description="the number of cells; 0 until the run starts")
    created: datetime
    started: datetime | None
    ended: datetime | None
    reason: str | None = Field(description="why the run failed, in a word such as cell-error")
    error: str | None = Field(description="why the run failed, for people")
    exit_code: int | None
    status_code: int | None = Field(description="the HTTP status that the notebook glued as statusCode")
    kernel_way: str | None = Field(description="how the kernel started: direct, kernel or cold")
    note: str | None
    owner: str = Field(description="the name of the token; empty without tokens")
    protocol: str
    schedule: str | None
    links: dict[str, str]


class RunList(BaseModel):
    """Runs, newest first; the header Link names the next page."""

    runs: list[RunEntity]


class OutputFile(BaseModel):
    """A file that a run wrote."""

    path: str
    size: int
    sha256: str | None = None
    media_type: str
    href: str


class OutputList(BaseModel):
    """The files that a run wrote."""

    outputs: list[OutputFile]


class ResultEntity(BaseModel):
    """The result of a run that has ended; a run that was dismissed before it started has the last two fields only."""

    state: Literal["succeeded", "failed"] | None = None
    reason: str | None = None
    exit_code: int | None = None
    error: str | None = None
    status_code: int | None = None
    process: str | None = None
    notebook: str | None = Field(None, description="the executed notebook's path among the outputs")
    delivered: str | None = Field(None, description="where else the executed notebook was stored")
    kernel: str | None = None
    started: datetime | None = None
    ended: datetime | None = None
    duration: float | None = Field(None, description="seconds")
    peak_memory: int | None = Field(None, description="bytes")
    parameters: dict[str, Any] | None = Field(None, description="the values that the notebook got, without secrets")
    cells: list[dict[str, Any]] | None = None
    outputs: list[OutputFile] | None = None
    run: RunEntity
    scraps: dict[str, Any] = Field(description="what the notebook glued, by name")


class NotebookSummary(BaseModel):
    """A served notebook."""

    path: str
    title: str
    language: str
    inputs: list[str]
    outputs: list[str]
    error: str | None = Field(description="why the notebook cannot run")
    href: str


class NotebookList(BaseModel):
    """The served notebooks."""

    notebooks: list[NotebookSummary]


class NotebookInput(BaseModel):
    """A parameter."""

    id: str = Field(description="the name in requests")
    name: str = Field(description="the name in the notebook")
    type: str = Field(description="such as int, string[] or File")
    doc: str
    required: bool
    optional: bool = Field(description="whether the value may be null")
    secret: bool
    json_schema: dict[str, Any] = Field(alias="schema", description="of the value, in JSON Schema 2020-12")


class NotebookOutput(BaseModel):
    """A file or a folder that a run writes."""

    id: str
    name: str
    type: str
    doc: str
    optional: bool
    glob: str = Field(description="the path or pattern among the outputs")
    media_type: str


class NotebookEntity(BaseModel):
    """What a notebook is called, takes and gives."""

    path: str
    title: str
    doc: str = Field(description="the text of the first markdown cell")
    language: str
    kernel: str | None
    error: str | None = Field(description="why the notebook cannot run")
    warnings: list[str] = Field(description="what of the parameters cell is not used, and why")
    inputs: list[NotebookInput]
    outputs: list[NotebookOutput]
    links: dict[str, str]


def binary(media_type: str) -> dict[str, Any]:
    """Return the documentation of a response with bytes."""
    return document(media_type, {"type": "string", "format": "binary"})


def document(media_type: str, schema: dict[str, Any] | None = None) -> dict[str, Any]:
    """Return the documentation of a response with a document."""
    return {
        "description": "The document",
        "content": {media_type: {"schema": {"type": "object"} if schema is None else schema}},
    }
