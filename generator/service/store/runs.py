"""The rows of runs of packages, and the files that were uploaded for them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from generator.service.store.database import Database, Row, pipelines, row, rows
from generator.service.store.run_tables import runs

_LARGEST = 2**31 - 1


@dataclass(frozen=True, kw_only=True, slots=True)
class RunRecord:
    """What is stored of a run: its package, its readable values by input, and the names of the other inputs given.

    ``has_secrets``: an input is among them that the package calls secret.
    """

    job: int
    folder: str
    process: str
    values: Mapping[str, Any]
    withheld: tuple[str, ...] = ()
    has_secrets: bool = False


@dataclass(frozen=True, slots=True)
class Runs:
    """The runs of one project; a run has the number of its pipeline."""

    database: Database

    def get(self, number: int) -> Row | None:
        """Return a run, None if the pipeline does not exist or runs no package."""
        if number > _LARGEST:
            return None
        with self.database.connection() as connection:
            return row(connection, _joined().where(runs.c.pipeline_id == number))

    def of_package(self, job: int, folder: str, *, limit: int) -> list[Row]:
        """Return the latest runs of a package, newest first."""
        mine = _joined().where(runs.c.job == job, runs.c.folder == folder)
        with self.database.connection() as connection:
            return rows(connection, mine.order_by(runs.c.pipeline_id.desc()).limit(limit))

    def of_pipelines(self, numbers: Sequence[int]) -> dict[int, Row]:
        """Return the runs among pipelines, by number."""
        with self.database.connection() as connection:
            found = rows(connection, sa.select(runs).where(runs.c.pipeline_id.in_(numbers)))
        return {one["pipeline_id"]: one for one in found}


def add_run(connection: sa.Connection, number: int, record: RunRecord) -> None:
    """Store a run in the transaction that creates its pipeline."""
    connection.execute(sa.delete(runs).where(runs.c.pipeline_id == number))
    values = {name: getattr(record, name) for name in ("job", "folder", "process", "values")}
    values["values"] = dict(record.values)
    connection.execute(sa.insert(runs).values(pipeline_id=number, withheld=list(record.withheld), **values))


def _joined() -> sa.Select[Any]:
    columns = (runs.c[name] for name in ("job", "folder", "process", "values", "withheld"))
    return sa.select(pipelines, *columns).join(runs, runs.c.pipeline_id == pipelines.c.id)
