"""Tie a database to its data folder: the service removes files of the folder that its database does not know."""

from __future__ import annotations

import sqlalchemy as sa

from generator.service.store.database import Database, jobs, pipelines
from generator.service.store.folder_tables import data_folders
from generator.service.store.hook_tables import hooks
from generator.service.store.job_folders import DataFolder
from generator.service.store.schedule_tables import schedules
from generator.shared.errors import UsageError

_REMEDY = "name the folder's own database (--database or PACKMILL_DATABASE; by default SQLite in the folder)"


def tie(database: Database, data: DataFolder) -> None:
    """Store the ID of the data folder in its database, unless it is stored already.

    Raises:
        UsageError: the database belongs to another folder, or the folder to another database.
    """
    check(database, data)
    with database.transaction() as connection:
        if connection.execute(sa.select(data_folders.c.id)).first() is None:
            connection.execute(sa.insert(data_folders).values(id=data.identity()))


def check(database: Database, data: DataFolder) -> None:
    """Check that a database and a data folder belong together; both stay as they are.

    Raises:
        UsageError: the database belongs to another folder, or the folder has files of rows that the database never had.
    """
    with database.connection() as connection:
        known = connection.execute(sa.select(data_folders.c.id)).scalar()
        if known is not None and not (data.has_identity() and known == data.identity()):
            raise UsageError(
                f"--data {data.path}: not the data folder of this database, which has another ID; {_REMEDY}, "
                "or another --data (a moved folder keeps its ID in the file 'instance')"
            )
        _check_jobs(connection, data, is_tied=known is not None)
        if known is None:
            _check_values(connection, data)


def _check_jobs(connection: sa.Connection, data: DataFolder, *, is_tied: bool) -> None:
    """Check that the database had all jobs of the folder, though rows of some may have been deleted.

    An older copy has the same ID, such as the SQLite file that a move to PostgreSQL left in the folder. A database
    without an ID, which is new or of an earlier version, must also know one of the jobs.
    """
    numbers, last = set(data.numbers()), _last_job(connection)
    unknown = {number for number in numbers if number > last}
    if not is_tied and numbers.isdisjoint(connection.execute(sa.select(jobs.c.id)).scalars()):
        unknown = numbers
    if unknown:
        first = data.job(min(unknown)).path
        raise UsageError(
            f"--data {data.path}: has jobs that the database does not know ({len(unknown)}, such as {first}), and "
            f"the service would remove them; {_REMEDY}, name another --data to begin with an empty database, "
            "or move these jobs away"
        )


def _last_job(connection: sa.Connection) -> int:
    """Return the highest number that the database gave a job; numbers of deleted rows are not given again."""
    queries = {
        "sqlite": "SELECT seq FROM sqlite_sequence WHERE name = 'jobs'",
        "postgresql": "SELECT pg_sequence_last_value(CAST(pg_get_serial_sequence('jobs', 'id') AS regclass))",
    }
    query = queries.get(connection.dialect.name)
    given = connection.execute(sa.text(query)).scalar() if query else None
    stored = connection.execute(sa.select(sa.func.max(jobs.c.id))).scalar()  # rows that were copied have numbers
    return max(given or 0, stored or 0)


def _check_values(connection: sa.Connection, data: DataFolder) -> None:
    """Check that a database without an ID knows the secret values of the folder.

    An earlier version may have left those of a row that was deleted, but hardly of one and no other row.
    """
    values = ((data.hidden, pipelines), (data.schedule_values, schedules), (data.hook_secrets, hooks))
    for files, table in values:
        if files.has_any() and connection.execute(sa.select(table.c.id).limit(1)).first() is None:
            raise UsageError(
                f"--data {data.path}: has secret values that the database does not know (in {files.folder}), and "
                f"the service would remove them; {_REMEDY}, name another --data to begin with an empty database, "
                "or move this folder away"
            )
