"""Changes of job rows within a transaction, and what follows for their pipeline."""

from __future__ import annotations

import time
from typing import Any

import sqlalchemy as sa

from generator.service.store import states
from generator.service.store.database import Row, jobs, pipelines, rows
from generator.service.store.outbox import store_events


def clone_job(connection: sa.Connection, old: Row, *, status: str) -> int:
    """Create a job in place of one that has ended or is being canceled; return its number."""
    set_job(connection, old["id"], retried=True)
    kept = ("pipeline_id", "name", "stage", "stage_index", "when", "allow_failure", "lane")
    values = {name: old[name] for name in kept}
    values |= {"status": status, "created_at": time.time(), "queued_at": time.time()}
    values |= {"attempts": 0, "retried": False, "dotenv": {}}
    made = connection.execute(sa.insert(jobs).values(**values)).inserted_primary_key
    return int(made[0]) if made else 0


def requeue_skipped(connection: sa.Connection, pipeline: int, stage: int) -> None:
    """Let the jobs of later stages, which were skipped, wait again."""
    skipped = sa.update(jobs).where(jobs.c.pipeline_id == pipeline, jobs.c.status == "skipped")
    connection.execute(skipped.where(jobs.c.stage_index > stage).values(status="created", finished_at=None))


def set_job(connection: sa.Connection, number: int, **values: Any) -> None:
    """Set columns of a job."""
    connection.execute(sa.update(jobs).where(jobs.c.id == number).values(**values))


def advance(connection: sa.Connection, number: int) -> None:
    """Update a pipeline's waiting jobs and its status after one of its jobs has changed."""
    now = time.time()
    mine = [dict(job) for job in rows(connection, sa.select(jobs).where(jobs.c.pipeline_id == number))]
    changes = states.next_statuses(mine)
    for job in mine:
        if job["id"] in changes:
            job["status"] = changes[job["id"]]
            set_job(connection, job["id"], status=job["status"], queued_at=now if job["status"] == "pending" else None)
    status = states.pipeline_status(mine)
    started = [job["started_at"] for job in mine if job["started_at"]]
    values: dict[str, Any] = {"status": status, "started_at": min(started, default=None)}
    this = sa.update(pipelines).where(pipelines.c.id == number)
    connection.execute(this.values(**values, updated_at=now))
    ended = pipelines.c.finished_at.is_(None) if status in states.finished else pipelines.c.finished_at.is_not(None)
    connection.execute(this.where(ended).values(finished_at=now if status in states.finished else None))
    store_events(connection, number)
