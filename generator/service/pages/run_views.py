"""What the pages show of a run of a package."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fastapi import Request

from generator.notebook.interface import cwl_id
from generator.service.archives import Archive
from generator.service.context import Context, context
from generator.service.http_errors import HttpError, raise_not_found
from generator.service.pages.badges import pipeline_status
from generator.service.pages.run_reports import failure_of
from generator.service.pages.value_texts import short_values
from generator.service.runs.comparison import with_defaults
from generator.service.runs.results import RunResult, read_result
from generator.service.store import states
from generator.service.store.database import Row

_MOST_RUNS, _MOST_INPUTS = 20, 1000
Inputs = list[tuple[str, Any, bool]]
"""ID, default and whether it is secret, for each input of a package."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RunView:
    """A run: its row, the word for its status, its job, its values with defaults, and what it left.

    ``seconds`` in which its jobs ran; ``failure`` is empty unless it failed.
    """

    row: Row
    word: str
    job: Mapping[str, Any]
    values: Mapping[str, Any]
    defaults: frozenset[str]
    result: RunResult
    seconds: float | None
    failure: str

    @property
    def title(self) -> str:
        """The package's place."""
        return str(self.row["folder"]).removeprefix("packages/")

    @property
    def is_over(self) -> bool:
        """Whether nothing of the run changes any more."""
        return self.row["status"] in states.finished


def run_view(here: Context, number: int) -> RunView:
    """Return a run.

    Raises:
        HttpError: 404, there is no such run.
    """
    row = here.runs.get(number)
    mine = [dict(job) for job in here.pipelines.jobs_of(number, with_retried=False)] if row else []
    if row is None or not mine:
        raise_not_found()
    job = next((one for one in mine if one["name"] == "run"), mine[0])
    inputs = _inputs(here, row)
    values = with_defaults(row["values"], row["withheld"], inputs)
    return RunView(
        row=row,
        word=pipeline_status(row["status"], mine),
        job=job,
        values=values,
        defaults=frozenset(values) - {*row["values"], *row["withheld"]},
        result=read_result(Archive(here.data.job(job["id"]).artifacts)),
        seconds=states.pipeline_seconds(row, mine),
        failure=failure_of(here.pipelines, here.data, number),
    )


def _inputs(here: Context, row: Row) -> Inputs:
    """Return the inputs of a run's package, or only those with values if it no longer exists."""
    try:
        interface = Archive(here.data.job(row["job"]).artifacts).package(row["folder"])["interface"]
    except HttpError:
        interface = {}
    found = [_input(one) for kind in ("inputs", "stage_in") for one in _listed(interface.get(kind))]
    others = [(name, None, False) for name in (*row["values"], *row["withheld"])]
    return list({name: (name, default, secret) for name, default, secret in (*others, *found)}.values())


def _listed(value: object) -> list[Mapping[str, Any]]:
    listed = value[:_MOST_INPUTS] if isinstance(value, list) else []
    return [one for one in listed if isinstance(one, dict) and isinstance(one.get("name"), str)]


def _input(one: Mapping[str, Any]) -> tuple[str, Any, bool]:
    return cwl_id(one["name"]), one.get("default"), bool(one.get("secret"))


def run_rows(request: Request, job: int, folder: str) -> list[dict[str, Any]]:
    """Return the latest runs of a package for a list, newest first."""
    here = context(request)
    listed = []
    for row in here.runs.of_package(job, folder, limit=_MOST_RUNS):
        mine = [dict(one) for one in here.pipelines.jobs_of(row["id"], with_retried=False)]
        seen = {"word": pipeline_status(row["status"], mine), "seconds": states.pipeline_seconds(row, mine)}
        listed.append({**row, **seen, "shown": short_values(row["values"])})
    return listed
