"""What may be removed: ended pipelines, expiring artifacts and uploads, oldest first. What is kept stays.

Artifacts are kept if they do not expire: because somebody kept them, or because the pipeline file gives no time. Their
pipeline stays with them.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from generator.service.retention.usage import folder_size
from generator.service.store import states
from generator.service.store.audit import Event, record
from generator.service.store.database import Database, Row, jobs, pipelines, rows
from generator.service.store.job_folders import DataFolder
from generator.service.store.pipelines import Pipelines
from generator.service.store.schedule_tables import schedules

_is_kept = sa.exists().where(
    jobs.c.pipeline_id == pipelines.c.id, jobs.c.artifacts_size > 0, jobs.c.artifacts_expire_at.is_(None)
)
_KEPT = 30 * 24 * 3600.0
"""Seconds for which an uploaded file is kept."""
_unfinished = sorted(set(states.statuses) - states.finished)
_attempts = jobs.alias("attempts")
_has_attempt = sa.exists().where(
    _attempts.c.pipeline_id == pipelines.c.id, _attempts.c.status.in_(("running", "canceling"))
)
"""A job that was retried while it was being canceled may end after its retry."""
_is_over = pipelines.c.status.in_(states.finished) & ~_has_attempt
_PAGE = 4096
"""Bytes of a page of SQLite."""


def ended_pipelines(database: Database, *, before: float | None = None) -> Sequence[Row]:
    """Return number, status and end of the pipelines that may be removed, those that ended first at first.

    Their variables, of up to a megabyte each, are not read. ``before`` is in Unix seconds.
    """
    columns = (pipelines.c.id, pipelines.c.status, pipelines.c.finished_at)
    statement = sa.select(*columns).where(_is_over, ~_is_kept)
    if before is not None:
        statement = statement.where(pipelines.c.finished_at < before)
    with database.connection() as connection:
        return rows(connection, statement.order_by(pipelines.c.finished_at, pipelines.c.id))


def pipeline_size(data: DataFolder, database: Database, number: int) -> int:
    """Return the bytes of a pipeline's folders, its secret values and, in an SQLite file of the folder, its rows."""
    size = sum(file.stat().st_size for file, _ in data.run_files.listed(number)) + data.hidden.size(number)
    with database.connection() as connection:
        if database.file == data.database.resolve():
            size += _rows_size(connection, number)
        mine = connection.execute(sa.select(jobs.c.id).where(jobs.c.pipeline_id == number)).scalars()
        return size + sum(folder_size(data.job(job).path) for job in mine)


def _rows_size(connection: sa.Connection, number: int) -> int:
    """Return the bytes of the large values of a pipeline's rows, in whole pages: parts of pages stay in the file."""
    variables = sa.select(_length(pipelines.c.variables)).where(pipelines.c.id == number)
    others = sa.select(_length(jobs.c.dotenv) + _length(jobs.c.tests)).where(jobs.c.pipeline_id == number)
    lengths = (*connection.execute(variables).scalars(), *connection.execute(others).scalars())
    return sum(length // _PAGE * _PAGE for length in lengths)


def _length(column: sa.Column[Any]) -> sa.ColumnElement[int]:
    return sa.func.coalesce(sa.func.length(sa.cast(column, sa.Text)), 0)


def remove_pipeline(data: DataFolder, stored: Pipelines, number: int) -> bool:
    """Remove a pipeline with logs and artifacts, unless it runs again or is kept by now; return whether it went."""
    removed = stored.delete(number, only=_is_over & ~_is_kept)
    if removed:
        data.run_files.remove(number)
    for job in removed:
        data.job(job).remove()
        data.remove_work(job)
    return bool(removed)


def expiring_artifacts(database: Database) -> Sequence[Row]:
    """Return the jobs of ended pipelines whose artifacts may be removed before they expire, oldest first."""
    statement = sa.select(jobs.c.id, jobs.c.artifacts_size).join(pipelines, pipelines.c.id == jobs.c.pipeline_id)
    removable = (_is_over, jobs.c.artifacts_size > 0, jobs.c.artifacts_expire_at.is_not(None))
    with database.connection() as connection:
        return rows(connection, statement.where(*removable).order_by(pipelines.c.finished_at, jobs.c.id))


def spare_uploads(data: DataFolder, database: Database, *, before: float) -> Sequence[Path]:
    """Return the uploaded files that are the table of no schedule and of no pipeline that waits or runs, oldest first.

    ``before`` is in Unix seconds.
    """
    old = data.uploads.oldest(before=before)  # first: what becomes a table from now on is seen below
    if not old:
        return ()
    may_have_table = sa.cast(pipelines.c.variables, sa.Text).like('%"table"%')
    of_pipelines = sa.select(pipelines.c.variables).where(pipelines.c.status.in_(_unfinished), may_have_table)
    with database.connection() as connection:
        tables = _tables(connection, sa.select(schedules.c.variables)) | _tables(connection, of_pipelines)
    return [path for path in old if data.uploads.place(path) not in tables]


def remove_old_uploads(data: DataFolder, database: Database) -> None:
    """Remove spare files that were uploaded or used a month ago, and what is left of uploads that were killed.

    A table that a schedule uses each month or year, or once it is resumed, has no newer use.
    """
    before = time.time() - _KEPT
    for upload in spare_uploads(data, database, before=before):
        data.uploads.remove(upload, before=before)
    data.uploads.remove_stale()


def _tables(connection: sa.Connection, of_variables: sa.Select[Any]) -> set[str]:
    """Return the places of tables among variables, which are not all in memory at a time."""
    found = connection.execute(of_variables, execution_options={"yield_per": 1}).scalars()
    return {str(one["value"]).strip() for listed in found for one in listed if one["key"] == "table"}


def remove_artifacts(data: DataFolder, database: Database, number: int) -> bool:
    """Remove a job's artifacts, unless they are kept or their pipeline runs again by now; return whether they went."""
    with database.transaction() as connection:  # excludes that they are kept meanwhile
        over = jobs.c.pipeline_id.in_(sa.select(pipelines.c.id).where(_is_over))
        this = sa.update(jobs).where(jobs.c.id == number, jobs.c.artifacts_expire_at.is_not(None), over)
        removed = connection.execute(this.values(artifacts_size=None, artifacts_expire_at=None)).rowcount
        if removed:
            data.job(number).remove_artifacts()
            record(connection, Event.ARTIFACTS_DELETED, number)
    return bool(removed)
