"""What follows from the statuses of jobs: the status of their pipeline, and which job is next.

The rules are GitLab's (``Ci::Status::Composite``); everything here is pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

statuses = (
    "created waiting_for_resource preparing pending running success failed canceling canceled skipped manual scheduled"
).split()
active = frozenset(("created", "waiting_for_resource", "preparing", "pending", "running", "canceling"))
finished = frozenset(("success", "failed", "canceled", "skipped"))
retryable = frozenset(("success", "failed", "canceled"))

_Job = Mapping[str, Any]


def latest(jobs: Iterable[_Job]) -> list[_Job]:
    """The jobs that count: of those with one name the youngest."""
    return [job for job in jobs if not job["retried"]]


def pipeline_status(jobs: Iterable[_Job]) -> str:
    """The status of a pipeline with these jobs."""
    found = {_counted(job) for job in latest(jobs)}
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


def _counted(job: _Job) -> str:
    """A failure that is allowed does not count, nor does a manual job that may be left alone."""
    if job["allow_failure"] and job["status"] in ("failed", "manual"):
        return "success"
    return str(job["status"])


def advanced(jobs: Iterable[_Job]) -> dict[int, str]:
    """The new statuses of jobs that wait for an earlier stage, by job id; later stages see what earlier ones became."""
    current = {job["id"]: dict(job) for job in latest(jobs)}
    changes: dict[int, str] = {}
    for job in sorted(current.values(), key=lambda one: (one["stage_index"], one["id"])):
        if job["status"] != "created":
            continue
        earlier = [_counted(other) for other in current.values() if other["stage_index"] < job["stage_index"]]
        new = _next(str(job["when"]), earlier)
        if new is not None:
            job["status"] = changes[job["id"]] = new
    return changes


def _next(when: str, earlier: list[str]) -> str | None:
    if (
        not set(earlier) <= finished
    ):  # a manual job that has to be played is not over; one that may be left alone counts
        return None
    went_wrong = bool({"failed", "canceled"} & set(earlier))
    if when == "manual":
        return "skipped" if went_wrong else "manual"
    runs = when == "always" or (when == "on_failure") is went_wrong
    return "pending" if runs else "skipped"
