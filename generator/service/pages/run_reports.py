"""What a notification reports of a run that has ended."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from generator.service.pages.failures import failure
from generator.service.store.database import Row
from generator.service.store.job_folders import DataFolder
from generator.service.store.pipelines import Pipelines
from generator.service.store.runs import Runs


def describe_run(
    pipelines: Pipelines, data: DataFolder, pipeline: Mapping[str, Any], happened: Iterable[Mapping[str, Any]]
) -> dict[str, Any]:
    """Return what a pipeline ran, why it failed (None if it did not), and the schedule that started it.

    ``happened`` are its jobs as they were at that moment: a notification may be late, and jobs have been retried since.
    """
    number = pipeline["id"]
    failed = {job["id"] for job in happened if job["status"] == "failed" and not job["retried"]}
    then = [job for job in pipelines.jobs_of(number) if job["id"] in failed]
    run = Runs(pipelines.database).get(number)
    package = {name: run[name] for name in ("job", "folder", "process")} if run else None
    return {
        "reason": _failure_of(then, data) or None,
        "package": package,
        "schedule_id": pipeline.get("schedule_id"),
    }


def failure_of(pipelines: Pipelines, data: DataFolder, number: int) -> str:
    """Return why a pipeline failed, in one sentence; empty if it did not."""
    return _failure_of(pipelines.jobs_of(number, with_retried=False), data)


def _failure_of(jobs: Iterable[Row], data: DataFolder) -> str:
    reasons = (failure(dict(job), data.job(job["id"]).trace) for job in jobs if not job["allow_failure"])
    return next(filter(None, reasons), "")
