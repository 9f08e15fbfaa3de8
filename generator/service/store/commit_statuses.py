"""The statuses of a commit: those that other services report, and the jobs of its pipelines."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from generator.service.store import states
from generator.service.store.database import Database, Row, jobs, pipelines, row
from generator.service.store.status_tables import commit_statuses
from generator.service.store.tokens import Identity

EXTERNAL = "external"
"""The stage of statuses that other services report."""
_MOST, _SHARE = 1000, 250
"""The number of current statuses that a commit may have, and of those of one token without the role ``admin``."""
_MOST_REPLACED = 20
"""The number of earlier statuses that are stored of a name and ref of a commit: a check may run each hour."""
_is_current = commit_statuses.c.replaced.is_(False)


@dataclass(frozen=True, slots=True)
class CommitStatuses:
    """The statuses of one project's commits."""

    database: Database

    def report(
        self, *, sha: str, ref: str, name: str, status: str, user: Identity, fields: Mapping[str, Any]
    ) -> int | None:
        """Change the unfinished status of a name, or create one; return its number, None if there are too many."""
        now = time.time()
        times = {"started_at": now if status == "running" else None}
        with self.database.transaction() as connection:
            same = (commit_statuses.c.sha == sha, commit_statuses.c.ref == ref, commit_statuses.c.name == name)
            old = row(connection, sa.select(commit_statuses).where(*same, _is_current))
            if old and old["started_at"]:
                times = {"started_at": old["started_at"]}
            values = {**times, "finished_at": now if status in states.finished else None, "status": status, **fields}
            if old and old["status"] not in states.finished:
                connection.execute(sa.update(commit_statuses).where(*same, _is_current).values(values))
                return int(old["id"])
            total, mine = _count(connection, sha, user.id, without=sa.and_(*same))
            if total >= _MOST or (mine >= _SHARE and not user.may_administer):
                return None
            connection.execute(sa.update(commit_statuses).where(*same).values(replaced=True))
            newest = sa.select(commit_statuses.c.id).where(*same).order_by(commit_statuses.c.id.desc())
            kept = connection.execute(newest.limit(_MOST_REPLACED)).scalars().all()
            connection.execute(sa.delete(commit_statuses).where(*same, commit_statuses.c.id.not_in(kept)))
            values |= {"sha": sha, "ref": ref, "name": name, "user": user.name, "user_id": user.id}
            values |= {"created_at": now, "replaced": False}
            made = connection.execute(sa.insert(commit_statuses).values(values)).inserted_primary_key
        return int(made[0]) if made else 0

    def get(self, number: int) -> Row | None:
        """Return a status that another service reported."""
        with self.database.connection() as connection:
            return row(connection, _reported().where(commit_statuses.c.id == number))

    def listed(
        self, sha: str, *, with_replaced: bool, filters: Mapping[str, Any], descending: bool, order: str
    ) -> sa.Select[Any]:
        """Return the query of a commit's statuses; ``filters`` are values of their columns."""
        reported = _reported().where(commit_statuses.c.sha == sha)
        of_jobs = _of_jobs().where(pipelines.c.sha == sha)
        if not with_replaced:
            reported, of_jobs = reported.where(_is_current), of_jobs.where(jobs.c.retried.is_(False))
        found = sa.union_all(of_jobs, reported).subquery()
        statement = sa.select(found).where(*(found.c[name] == value for name, value in filters.items()))
        columns = (found.c[order], found.c.created_at, found.c.id)
        return statement.order_by(*(column.desc() if descending else column.asc() for column in columns))


def _count(connection: sa.Connection, sha: str, user: int, *, without: sa.ColumnElement[bool]) -> tuple[int, int]:
    """Return how many other current statuses a commit has, and how many of them are a user's."""
    mine = sa.func.count(sa.case((commit_statuses.c.user_id == user, 1)))
    statement = sa.select(sa.func.count(), mine).where(commit_statuses.c.sha == sha, _is_current, ~without)
    total, of_user = connection.execute(statement).one()
    return int(total), int(of_user)


def _reported() -> sa.Select[Any]:
    mine = commit_statuses.c
    return sa.select(
        *(mine[name] for name in ("id", "sha", "ref", "status", "name", "target_url", "description", "coverage")),
        *(mine[name] for name in ("pipeline_id", "user", "user_id", "created_at", "started_at", "finished_at")),
        sa.literal(EXTERNAL).label("stage"),
        sa.literal(value=False).label("allow_failure"),
        sa.literal(value=False).label("is_job"),
    )


def _of_jobs() -> sa.Select[Any]:
    """Return the query of jobs with the same columns as `_reported`."""
    of_pipeline, of_job = pipelines.c, jobs.c
    return sa.select(
        of_job.id, of_pipeline.sha, of_pipeline.ref, of_job.status, of_job.name,
        sa.cast(sa.null(), sa.Text).label("target_url"),
        sa.cast(sa.null(), sa.Text).label("description"),
        sa.cast(sa.null(), sa.Float).label("coverage"),
        of_job.pipeline_id, of_pipeline.user, of_pipeline.user_id,
        of_job.created_at, of_job.started_at, of_job.finished_at,
        of_job.stage, of_job.allow_failure,
        sa.literal(value=True).label("is_job"),
    ).join_from(jobs, pipelines, pipelines.c.id == jobs.c.pipeline_id)  # fmt: skip
