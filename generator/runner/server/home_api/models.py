"""The documentation of requests and responses, for the OpenAPI document."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from generator.runner.server.api.models import RunEntity


class HomeEntity(BaseModel):
    """The interface of a home."""

    service: str
    username: str
    user_home: str
    endpoints: dict[str, str]


class HealthEntity(BaseModel):
    """The state of the server."""

    model_config = ConfigDict(extra="allow")

    status: str = Field(description="healthy or unhealthy")
    papermill_available: bool
    papermill_path: str | None
    timestamp: str


class HomeNotebook(BaseModel):
    """A notebook of the home."""

    name: str
    path: str
    relative_path: str
    size: int = Field(description="bytes")
    modified: str


class HomeNotebooks(BaseModel):
    """The notebooks of the home."""

    username: str
    user_home: str
    notebook_count: int
    notebooks: list[HomeNotebook]


class HomeRun(BaseModel):
    """A run that succeeded."""

    status: str = Field(description="success")
    username: str
    input_notebook: str
    output_notebook: str | None
    parameters: dict[str, Any]
    timestamp: str


class FailedHomeRun(HomeRun):
    """A run that failed."""

    status: str = Field(description="failed")
    detail: str = Field(description="what failed, for people")
    reason: str
    cell: int | None = Field(description="the number of the failed cell, from 1")
    error: str
    run: str = Field(description="the address of the run")


_parameters = {"type": "object", "description": "values by the parameters' names", "additionalProperties": True}
_time_limit = {"type": "number", "exclusiveMinimum": 0, "description": "of the run, in seconds"}


def _body(properties: dict[str, Any], *required: str) -> dict[str, Any]:
    schema = {"type": "object", "properties": properties, "required": [*required], "additionalProperties": False}
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}


execute_extra = _body(
    {
        "username": {"type": "string"},
        "notebook_name": {"type": "string", "description": "the notebook's name, or its path in the home"},
        "parameters": _parameters,
        "time_limit": _time_limit,
    },
    "notebook_name",
)
run_notebook_extra = _body(
    {
        "username": {"type": "string"},
        "input_path": {"type": "string", "description": "the notebook's path in the home"},
        "output_path": {"type": "string", "description": "the executed notebook's path in the home"},
        "params": _parameters,
        "time_limit": _time_limit,
    },
    "input_path",
)
run_responses: dict[int | str, dict[str, Any]] = {
    200: {"model": HomeRun, "description": "The run has succeeded"},
    202: {"model": RunEntity, "description": "The run is accepted; Location has its address"},
    "default": {
        "model": FailedHomeRun,
        "description": "The run failed, or could not begin",
        "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
    },
}
