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
        UsageError: the database belongs to another folder, or to none, and the folder has files of unknown rows.
    """
    with database.connection() as connection:
        known = connection.execute(sa.select(data_folders.c.id)).scalar()
        if known is None:
            _check_untied(connection, data)
        elif not data.has_identity() or known != data.identity():
            raise UsageError(
                f"--data {data.path}: not the data folder of this database, which has another ID; {_REMEDY}, "
                "or another --data (a moved folder keeps its ID in the file 'instance')"
            )


def _check_untied(connection: sa.Connection, data: DataFolder) -> None:
    """Check that a database without an ID, which is new or of an earlier version, knows the files of the folder.

    An earlier version may have left secret values of a row that was deleted, but hardly of one and no other row.
    """
    unknown = set(data.numbers()) - set(connection.execute(sa.select(jobs.c.id)).scalars())
    if unknown:
        first = data.job(min(unknown)).path
        raise UsageError(
            f"--data {data.path}: has jobs that the database does not know ({len(unknown)}, such as {first}), and "
            f"the service would remove them; {_REMEDY}, name another --data to begin with an empty database, "
            "or move these jobs away"
        )
    values = ((data.hidden, pipelines), (data.schedule_values, schedules), (data.hook_secrets, hooks))
    for files, table in values:
        if files.has_any() and connection.execute(sa.select(table.c.id).limit(1)).first() is None:
            raise UsageError(
                f"--data {data.path}: has secret values that the database does not know (in {files.folder}), and "
                f"the service would remove them; {_REMEDY}, name another --data to begin with an empty database, "
                "or move this folder away"
            )
