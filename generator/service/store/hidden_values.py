"""Values of pipelines that nobody is shown, kept outside of the database as long as jobs may need them.

The database has what may be shown (`generator.service.store.masking`); such variables are marked ``hidden``. The values
themselves are in a file for each pipeline, which only the service's user may read. It is removed with its pipeline, or
a week after the pipeline has ended: until then jobs can be retried.
"""

from __future__ import annotations

import json
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from generator.service.store import states
from generator.service.store.database import Database, Row, pipelines, rows
from generator.service.store.masking import shown
from generator.shared.errors import UsageError

Variables = list[dict[str, Any]]
_KEPT = 7 * 24 * 3600.0


@dataclass(frozen=True, slots=True)
class HiddenValues:
    """The files of a service's pipelines."""

    folder: Path

    def keep(self, number: int, variables: Variables) -> Variables:
        """Keep the values of a new pipeline that must not be shown; return the variables as they may be shown."""
        hidden = {one["key"]: one["value"] for one in variables if _is_hidden(one)}
        if hidden:
            self._write(number, hidden)
        else:
            self.remove(number)  # of a pipeline whose transaction failed
        return [_as_shown(one) for one in variables]

    def restore(self, number: int, variables: Variables) -> Variables:
        """Return the variables with their values.

        Raises:
            UsageError: the values are no longer kept.
        """
        names = [one["key"] for one in variables if one.get("hidden")]
        if not names:
            return variables
        try:
            kept: dict[str, str] = json.loads(self._file(number).read_text(encoding="utf-8"))
            return [{**one, "value": kept[one["key"]]} if one.get("hidden") else one for one in variables]
        except (OSError, ValueError, KeyError):
            listed = ", ".join(names)
            raise UsageError(f"{listed}: the values are no longer kept; start a new pipeline with them") from None

    def remove(self, number: int) -> None:
        """Remove the values of a pipeline."""
        self._file(number).unlink(missing_ok=True)

    def remove_old(self, database: Database) -> None:
        """Remove the values of pipelines that are gone or ended a week ago."""
        numbers = [int(path.stem) for path in self.folder.glob("*.json") if path.stem.isdecimal()]
        for some in (numbers[first : first + 500] for first in range(0, len(numbers), 500)):
            with database.writing() as connection:  # no pipeline is being made meanwhile
                wanted = sa.select(pipelines.c.id, pipelines.c.finished_at).where(pipelines.c.id.in_(some))
                found = {row["id"]: row["finished_at"] for row in rows(connection, wanted)}
                for number in some:
                    if number not in found or (found[number] or time.time()) < time.time() - _KEPT:
                        self.remove(number)

    def hide_earlier(self, database: Database) -> int:
        """Hide what an earlier version of the service has kept in clear; return in how many pipelines."""
        count = 0
        with database.writing() as connection:
            for row in rows(connection, sa.select(pipelines)):
                if any(_is_hidden(one) for one in row["variables"]):
                    this = sa.update(pipelines).where(pipelines.c.id == row["id"])
                    connection.execute(this.values(variables=self._hidden_now(row)))
                    count += 1
        if count:
            database.forget_deleted()
        return count

    def _hidden_now(self, row: Row) -> Variables:
        if row["status"] in states.finished and (row["finished_at"] or 0) < time.time() - _KEPT:
            return [_as_shown(one) for one in row["variables"]]
        return self.keep(row["id"], row["variables"])

    def _file(self, number: int) -> Path:
        return self.folder / f"{number}.json"

    def _write(self, number: int, values: dict[str, str]) -> None:
        """Write a file, whole or not at all, and onto the disk before the pipeline is promised."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        new = self._file(number).with_suffix(".new")
        with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as opened:
            json.dump(values, opened)
            opened.flush()
            os.fsync(opened.fileno())
        new.replace(self._file(number))
        _flush_folder(self.folder)


def _is_hidden(one: dict[str, Any]) -> bool:
    return not one.get("hidden") and shown(one["key"], one["value"]) != one["value"]


def _as_shown(one: dict[str, Any]) -> dict[str, Any]:
    return {**one, "value": shown(one["key"], one["value"]), "hidden": True} if _is_hidden(one) else one


def _flush_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
