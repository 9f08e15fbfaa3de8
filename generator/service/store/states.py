"""Derive from the statuses of jobs the status of their pipeline, and which jobs run next.

The rules are GitLab's (``Ci::Status::Composite``).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

statuses = (
    "created waiting_for_resource preparing pending running success failed canceling canceled skipped manual scheduled"
).split()
active = frozenset(("created", "waiting_for_resource", "preparing", "pending", "running", "canceling"))
finished = frozenset(("success", "failed", "canceled", "skipped"))
retryable = frozenset(("success", "failed", "canceling", "canceled"))
"""A job that is being canceled ends while its retry waits or runs (``Ci::Processable#retryable?``)."""
_LABELS = {"success": "passed", "waiting_for_resource": "waiting for resource", "manual": "manual action"}

_Job = Mapping[str, Any]


def latest(jobs: Iterable[_Job]) -> list[_Job]:
    """Return the current jobs, without those that were retried."""
    return [job for job in jobs if not job["retried"]]


def pipeline_status(jobs: Iterable[_Job]) -> str:
    """Return the status of a pipeline with these jobs."""
    found = {_effective_status(job) for job in latest(jobs)}
    if found <= {"skipped"}:
        return "skipped"
    if found <= {"success", "skipped"}:
        return "success"
    if found == {"created"}:
        return "created"
    if "canceling" in found:
        return "canceling"
    if found <= {"canceled", "success", "skipped"}:
        return "canceled"
    if found <= {"pending", "created", "skipped"}:
        return "pending"
    if found & {"running", "pending"}:
        return "running"
    if "manual" in found:
        return "manual"
    return "running" if "created" in found else "failed"


def is_allowed_failure(job: _Job) -> bool:
    """Return whether a job failed without failing its pipeline."""
    return bool(job["status"] == "failed" and job["allow_failure"])


def has_warnings(jobs: Iterable[_Job]) -> bool:
    """Return whether a pipeline with these jobs, if it passed, passed with warnings."""
    return any(map(is_allowed_failure, latest(jobs)))


def label(status: str, *, warned: bool) -> str:
    """Return the words for a pipeline's status (``Gitlab::Ci::Status``)."""
    if status == "success" and warned:
        return "passed with warnings"
    return _LABELS.get(status, status)


def seconds_between(begin: float | None, end: float | None) -> float | None:
    """Return the seconds between two times, 0 if the clock was set back meanwhile; None without one of the times."""
    return round(max(0.0, end - begin), 6) if begin is not None and end is not None else None


def active_seconds(jobs: Iterable[_Job]) -> float:
    """Return how long at least one of the finished jobs ran, without the time in which none did.

    This is GitLab's duration of a pipeline (``Gitlab::Ci::Pipeline::Duration``).
    """
    spans = sorted(
        (job["started_at"], job["finished_at"]) for job in latest(jobs) if job["started_at"] and job["finished_at"]
    )
    total, reached = 0.0, 0.0
    for begin, end in spans:
        total += max(0.0, end - max(begin, reached))
        reached = max(reached, end)
    return total


def pipeline_seconds(pipeline: Mapping[Any, Any], jobs: Iterable[_Job]) -> float | None:
    """Return how long an ended pipeline with these jobs ran (`active_seconds`), None if it has not ended or begun."""
    return active_seconds(jobs) if pipeline["started_at"] and pipeline["finished_at"] else None


def _effective_status(job: _Job) -> str:
    """Return a job's status for its pipeline; an allowed failure and an optional manual job count as success."""
    if job["allow_failure"] and job["status"] in ("failed", "manual"):
        return "success"
    return str(job["status"])


def next_statuses(jobs: Iterable[_Job]) -> dict[int, str]:
    """Return the new statuses, by job ID, of jobs that wait for an earlier stage; changes cascade to later stages."""
    current = {job["id"]: dict(job) for job in latest(jobs)}
    changes: dict[int, str] = {}
    for job in sorted(current.values(), key=lambda one: (one["stage_index"], one["id"])):
        if job["status"] != "created":
            continue
        earlier = [_effective_status(other) for other in current.values() if other["stage_index"] < job["stage_index"]]
        new = _next_status(str(job["when"]), earlier)
        if new is not None:
            job["status"] = changes[job["id"]] = new
    return changes


def _next_status(when: str, earlier: list[str]) -> str | None:
    if (
        not set(earlier) <= finished
    ):  # a required manual job is unfinished until it is played; an optional one counts as success
        return None
    went_wrong = bool({"failed", "canceled"} & set(earlier))
    if when == "manual":
        return "skipped" if went_wrong else "manual"
    runs = when == "always" or (when == "on_failure") is went_wrong
    return "pending" if runs else "skipped"
