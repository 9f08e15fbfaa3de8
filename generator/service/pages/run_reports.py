"""What a notification reports of a run that has ended."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from generator.service.pages.failures import failure
from generator.service.store.job_folders import DataFolder
from generator.service.store.pipelines import Pipelines
from generator.service.store.runs import Runs


def describe_run(pipelines: Pipelines, data: DataFolder, pipeline: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a pipeline ran, why it failed (None if it did not), and the schedule that started it."""
    number = pipeline["id"]
    run = Runs(pipelines.database).get(number)
    package = {name: run[name] for name in ("job", "folder", "process")} if run else None
    return {
        "reason": failure_of(pipelines, data, number) or None,
        "package": package,
        "schedule_id": pipeline.get("schedule_id"),
    }


def failure_of(pipelines: Pipelines, data: DataFolder, number: int) -> str:
    """Return why a pipeline failed, in one sentence; empty if it did not."""
    mine = pipelines.jobs_of(number, with_retried=False)
    reasons = (failure(dict(job), data.job(job["id"]).trace) for job in mine if not job["allow_failure"])
    return next(filter(None, reasons), "")
