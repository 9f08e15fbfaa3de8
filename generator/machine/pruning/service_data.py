"""Find the old pipelines of a service, with the logs and artifacts of their jobs."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import sqlalchemy as sa

from generator.machine.pruning.removal import Kind, Removal
from generator.service.store import states
from generator.service.store.database import Database, Row, jobs, pipelines, rows, sqlite_url
from generator.service.store.job_folders import DataFolder
from generator.service.store.pipelines import Pipelines


@contextmanager
def old_pipelines(
    folder: Path, *, database: str | None, before: float, is_removing: bool
) -> Iterator[tuple[Removal, ...]]:
    """Yield the pipelines that ended before a time and whose artifacts expire; those kept for ever stay.

    Removing needs the service's lock on its database, so it must be stopped.

    Raises:
        UsageError: the database cannot be opened, or a service uses it.
    """
    data = DataFolder(folder)
    if database is None and not data.database.is_file():
        yield ()
        return
    opened = Database(database or sqlite_url(data.database))
    try:
        if is_removing:
            opened.claim()
        yield tuple(_removal(data, opened, pipeline) for pipeline in _ended(opened, before))
        if is_removing:
            opened.forget_deleted()
    finally:
        opened.close()


def _ended(database: Database, before: float) -> Sequence[Row]:
    is_kept = sa.exists().where(
        jobs.c.pipeline_id == pipelines.c.id, jobs.c.artifacts_size > 0, jobs.c.artifacts_expire_at.is_(None)
    )
    ended = pipelines.c.status.in_(states.finished) & (pipelines.c.finished_at < before)
    with database.connection() as connection:
        return rows(connection, sa.select(pipelines).where(ended, ~is_kept).order_by(pipelines.c.id))


def _removal(data: DataFolder, database: Database, pipeline: Row) -> Removal:
    number = pipeline["id"]
    with database.connection() as connection:
        mine = [row["id"] for row in rows(connection, sa.select(jobs.c.id).where(jobs.c.pipeline_id == number))]
    return Removal(
        kind=Kind.PIPELINE,
        name=f"{number} with {len(mine)} jobs, {pipeline['status']}",
        size=sum(_size(data.job(job).path) for job in mine),
        time=pipeline["finished_at"],
        remove=partial(_remove, data, database, number),
    )


def _remove(data: DataFolder, database: Database, number: int) -> bool:
    data.run_files.remove(number)
    for job in Pipelines(database, data.hidden).delete(number):
        data.job(job).remove()
        data.remove_work(job)
    return True


def _size(folder: Path) -> int:
    """Return the bytes of the files below a folder, without following links."""
    total = 0
    for root, _, files in os.walk(folder):
        for name in files:
            try:
                total += os.lstat(os.path.join(root, name)).st_size
            except OSError:
                continue
    return total
