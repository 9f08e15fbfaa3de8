"""Store the events of pipelines and jobs for hooks, in the transaction that changes a status: none is lost."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from typing import Any

import sqlalchemy as sa

from generator.service.store import states
from generator.service.store.database import Row, jobs, pipelines, row, rows
from generator.service.store.hook_tables import deliveries, hooks

PIPELINE, JOB = "pipeline_events", "job_events"
RUN = "run_events"
"""The end of one pipeline, or of those of a schedule, for an address that was given with it."""
_OF_JOB = (
    "id name stage stage_index when allow_failure status retried failure_reason artifacts_size created_at queued_at "
    "started_at finished_at"
).split()
_LONGEST_VARIABLES = 10_000
"""Characters of the variables that an event keeps: each event of a pipeline would keep a megabyte for a week."""
_Row = Mapping[str, Any] | Row


def store_events(connection: sa.Connection, number: int) -> None:
    """Store an event for each status of a pipeline and its jobs that has changed since the last call."""
    pipeline = row(connection, sa.select(pipelines).where(pipelines.c.id == number))
    mine = rows(connection, sa.select(jobs).where(jobs.c.pipeline_id == number).order_by(jobs.c.stage_index, jobs.c.id))
    if pipeline is None:
        return
    changed = [job["id"] for job in mine if job["announced"] != job["status"]]
    events: list[tuple[str, int | None]] = [(JOB, job) for job in changed]
    if pipeline["announced"] != pipeline["status"]:
        events.append((PIPELINE, None))
    if events:
        _mark_announced(connection, number, changed)
        _insert(connection, pipeline, [(event, snapshot(pipeline, mine, job=job)) for event, job in events])


def snapshot(pipeline: _Row, mine: Iterable[_Row], *, job: int | None) -> dict[str, Any]:
    """Return the state of a pipeline and its current jobs, and which of its jobs an event is about.

    Long variables are None: they do not change, and are read from the pipeline when the event is sent.
    """
    kept = {name: value for name, value in pipeline.items() if name != "announced"}
    if sum(len(one["key"]) + len(str(one["value"])) for one in kept["variables"]) > _LONGEST_VARIABLES:
        kept["variables"] = None
    return {
        "pipeline": kept,
        "jobs": [{name: one[name] for name in _OF_JOB} for one in mine if not one["retried"] or one["id"] == job],
        "job": job,
    }


def delivery(hook: int, event: str, happened: Mapping[str, Any]) -> dict[str, Any]:
    """Return the row of a delivery that is due now."""
    now = time.time()
    values = {"hook_id": hook, "event": event, "happened": happened, "status": "pending", "attempts": 0}
    return {**values, "created_at": now, "next_attempt_at": now}


def _mark_announced(connection: sa.Connection, number: int, changed: list[int]) -> None:
    this = sa.update(pipelines).where(pipelines.c.id == number)
    connection.execute(this.values(announced=pipelines.c.status))
    connection.execute(sa.update(jobs).where(jobs.c.id.in_(changed)).values(announced=jobs.c.status))


def _insert(connection: sa.Connection, pipeline: Row, events: list[tuple[str, dict[str, Any]]]) -> None:
    if events[-1][0] == PIPELINE and pipeline["status"] in states.finished:
        events = [*events, (RUN, events[-1][1])]
    listening = rows(connection, sa.select(hooks))
    due = [
        delivery(hook["id"], event, happened)
        for event, happened in events
        for hook in listening
        if event in hook["events"] and _is_about(hook, pipeline)
    ]
    if due:
        connection.execute(sa.insert(deliveries), due)


def _is_about(hook: Row, pipeline: Row) -> bool:
    """Return whether a hook gets the events of a pipeline: those of the project do, others have one or a schedule."""
    if hook["pipeline_id"] is None and hook["schedule_id"] is None:
        return True
    of_schedule = hook["schedule_id"] is not None and hook["schedule_id"] == pipeline["schedule_id"]
    return of_schedule or bool(hook["pipeline_id"] == pipeline["id"])
