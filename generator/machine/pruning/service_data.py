"""Find the old pipelines of a service, with the logs and artifacts of their jobs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path

import sqlalchemy as sa

from generator.machine.pruning.removal import Kind, Removal
from generator.service.retention.ended import ended_pipelines, pipeline_size, remove_pipeline
from generator.service.store.database import Database, Row, jobs, sqlite_url
from generator.service.store.folder_ties import check
from generator.service.store.job_folders import DataFolder
from generator.service.store.opening import failures_named
from generator.service.store.pipelines import Pipelines
from generator.shared.errors import UsageError


@contextmanager
def old_pipelines(
    folder: Path, *, database: str | None, before: float, is_removing: bool
) -> Iterator[tuple[Removal, ...]]:
    """Yield the pipelines that ended before a time and whose artifacts expire; those kept for ever stay.

    Removing needs the service's locks on its database and its folder, so it must be stopped.

    Raises:
        UsageError: the folder cannot be read, the database cannot be opened or fails, such as on a full disk, a
            service uses one of them, or they do not belong together.
    """
    data = DataFolder(folder)
    try:
        is_missing = database is None and not data.database.is_file()
    except OSError as error:
        raise UsageError(f"{folder}: cannot be read: {error.strerror}; run this as the service's user") from None
    if is_missing:
        yield ()
        return
    with failures_named(folder), closing(Database(database or sqlite_url(data.database))) as opened:
        if is_removing:
            opened.claim()
            data.claim()  # by a service with another database
            check(opened, data)
        yield tuple(_removal(data, opened, pipeline) for pipeline in ended_pipelines(opened, before=before))
        if is_removing:
            opened.forget_deleted()


def _removal(data: DataFolder, database: Database, pipeline: Row) -> Removal:
    number = pipeline["id"]
    with database.connection() as connection:
        count = connection.execute(sa.select(sa.func.count()).where(jobs.c.pipeline_id == number)).scalar()
    return Removal(
        kind=Kind.PIPELINE,
        name=f"{number} with {count} jobs, {pipeline['status']}",
        size=pipeline_size(data, database, number),
        time=pipeline["finished_at"],
        remove=partial(remove_pipeline, data, Pipelines(database, data.hidden), number),
    )
