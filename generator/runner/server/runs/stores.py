"""The choice of the store by the address of the database."""

from __future__ import annotations

from pathlib import Path

from generator.runner.server.container import is_container
from generator.runner.server.runs.sqlite import SqliteRunStore
from generator.runner.server.runs.store import RunStore
from generator.shared.failures import BadInputsError


def open_store(data: Path, database: str | None) -> RunStore:
    """Open the store of runs: in the data folder, or in the database at an address.

    Raises:
        BadInputsError: the database cannot be opened, its address is of an unknown kind, or packages are missing.
        OSError: the data folder cannot be written to.
    """
    if database is None:
        return SqliteRunStore(data)
    if not database.startswith(("postgresql://", "postgresql+psycopg://")):
        raise BadInputsError("--database: not a URL such as postgresql://USER:PASSWORD@HOST/DATABASE")
    try:
        from generator.runner.server.runs.postgresql.store import PostgresqlRunStore
    except ModuleNotFoundError as error:
        remedy = "run: pip install 'packmill[postgresql]'"
        if is_container():
            remedy = "add it to the image: docs/serving.md, 'In a container'"
        raise BadInputsError(f"--database: {error.name} is not installed; {remedy}") from None
    return PostgresqlRunStore(database, data)
