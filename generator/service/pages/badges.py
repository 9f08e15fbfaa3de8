"""The words for the statuses of pipelines and jobs on the pages, and the reasons of those that passed with warnings."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from generator.service.store import states
from generator.shared.errors import NotRunError

_NOT_RUN, _ALLOWED = "not run", "failed, allowed"
_MOST_REASONS = 20


def job_status(job: Mapping[str, Any]) -> str:
    """Return the word for a job's status: ``not run`` if a check had no values to run the process with."""
    if not states.is_allowed_failure(job):
        return str(job["status"])
    return _NOT_RUN if job["exit_code"] == NotRunError.exit_code else _ALLOWED


def is_not_run(job: Mapping[str, Any]) -> bool:
    """Return whether a job is a check that had no values to run the process with."""
    return job_status(job) == _NOT_RUN


def pipeline_status(status: str, jobs: Iterable[Mapping[str, Any]]) -> str:
    """Return the words for a pipeline's status, which depend on its jobs if it passed."""
    words = set(map(job_status, states.latest(jobs))) if status == "success" else set[str]()
    return "passed, not run" if _NOT_RUN in words else "passed with warnings" if _ALLOWED in words else status


def reasons_not_run(job: Mapping[str, Any]) -> list[str]:
    """Return why a job's report skipped cases, if that is why the job did not pass."""
    if not is_not_run(job):
        return []
    cases = [case for suite in job["tests"] or () for case in suite["cases"] if case["status"] == "skipped"]
    reasons = [f"{case['classname']}: {case['system_output'] or case['name']}" for case in cases]
    return reasons[:_MOST_REASONS] or ["there were no values to run the process with"]
