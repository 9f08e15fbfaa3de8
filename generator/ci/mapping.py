"""The stage ``map``: the package of an earlier job, run for every row of a table."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from generator.ci.artifacts import fetch_package, fetch_results, fetch_table
from generator.containers.limits import container_limits
from generator.image.walls import network_for_steps
from generator.package.file_objects import is_inside, refuse_local_files
from generator.package.job_file import job_values, read_job
from generator.package.map.counting import Counter
from generator.package.map.journal import Ended
from generator.package.map.map import map_package, require_success
from generator.package.map.planning import MapRequest
from generator.package.map.rows import PlannedRow
from generator.package.map.tables import product, read_table
from generator.progress import Progress
from generator.request.settings import Settings
from generator.shared.errors import UsageError
from generator.shared.safe_text import printable

_MOST_FAILURES, _LONGEST = 1000, 300
"""Failed rows that a log lists, and characters of their messages: GitLab cuts a log at 4 MB."""
_OFTEN, _SELDOM, _AT_FIRST = 2.0, 10.0, 600.0
"""Seconds between two lines with the progress: in the first seconds of a map, and later."""


def map_stage(environment: Mapping[str, str], settings: Settings, results: Path, progress: Progress) -> None:
    """Run the package of the variable ``package`` for the rows of ``table`` or ``product``.

    Raises:
        UsageError: a variable is invalid, or rows do not fit the package; nothing was started.
        RunError: a row failed, or was not run.
    """
    with progress.step("Fetching the package"):
        package = fetch_package(environment, Path("package")).resolve()
    request = _request(environment, settings, package, results, progress)
    if environment.get("resume", "").strip():
        with progress.step(f"Fetching the results of job {environment['resume'].strip()}"):
            fetch_results(environment, results.parent)
    summary = map_package(
        request,
        limits=container_limits(settings),
        network=network_for_steps(settings, progress.say) if settings.walled else None,
        guarded=settings.guard_variables,
        counter=partial(JobCounter, progress=progress),
    )
    print(json.dumps({"rows": summary.rows, "succeeded": summary.succeeded, "failed": summary.failed,
                      "missing": summary.missing}))  # fmt: skip
    require_success(summary)


def _request(
    environment: Mapping[str, str], settings: Settings, package: Path, results: Path, progress: Progress
) -> MapRequest:
    value = {name: environment.get(name, "").strip() for name in ("table", "product", "values", "resume")}
    if bool(value["table"]) == bool(value["product"]):
        raise UsageError("set the variable 'table' or the variable 'product', not both")
    if value["table"]:
        with progress.step("Fetching the table"):
            table = read_table(fetch_table(environment, Path("table")))
    else:
        table = product(_lines(value["product"]))
    return MapRequest(
        package=package,
        table=table,
        folder=package,
        outdir=results,
        job=write_job(environment, package, settings),
        values=_lines(value["values"]),
        resume=bool(value["resume"]),
        retries=_number(environment, "row_retries") or 0,
        max_failures=_number(environment, "max_failures"),
        report=True,
        only=None if settings.local_repositories else package,
        is_job=True,
    )


def write_job(environment: Mapping[str, str], package: Path, settings: Settings) -> Path:
    """Write a job file with the package's own values and those of the variable ``inputs``; return its path.

    Raises:
        UsageError: the values are not those of a job, or have files that a request may not use.
    """
    values = job_values(environment.get("inputs", ""), package, name="the variable 'inputs'")
    if not settings.local_repositories:
        refuse_local_files(values, package)
    own = {name: value for name, value in read_job(package / "inputs.yml").items() if is_inside(value, package)}
    job = Path("job.json")
    job.write_text(json.dumps({**own, **values}), encoding="utf-8")
    return job


def _lines(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip()]


def _number(environment: Mapping[str, str], name: str) -> int | None:
    text = environment.get(name, "").strip()
    if text and not (text.isascii() and text.isdecimal() and len(text) < 10):
        raise UsageError(f"the variable {name!r} is {text!r}; set it to a whole number from 0")
    return int(text) if text else None


class JobCounter(Counter):
    """The progress of a map in the log of a job, where `query.py` and the pages of the service read it.

    A line has the counts (`Counter`), another each failed row: ``row 7 failed: cell-error: …``.
    """

    def __init__(self, total: int, done: int, *, progress: Progress) -> None:
        super().__init__(total, done)
        self._progress, self._begun, self._listed = progress, time.monotonic(), 0
        self._print(self._line(0), end="\n")

    def note(self, row: PlannedRow, ended: Ended) -> None:
        """Count a row that ended, and print why it failed."""
        super().note(row, ended)
        if ended.has_succeeded or self._listed > _MOST_FAILURES:
            return
        self._listed += 1
        if self._listed > _MOST_FAILURES:
            self._progress.say("further rows that fail are in results.csv alone")
            return
        text = " ".join(printable(f"{ended.reason}: {ended.message or ''}").split())
        self._progress.say(f"row {row.number} failed: {text[:_LONGEST]}")

    @property
    def pause(self) -> float:
        """Seconds between two lines."""
        return _OFTEN if time.monotonic() - self._begun < _AT_FIRST else _SELDOM

    def finish(self) -> None:
        """Print the last state, also of a map that had nothing to run."""
        self._print(self._line(0), end="\n")
