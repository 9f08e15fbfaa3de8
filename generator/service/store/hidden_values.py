"""Secret values of pipelines, stored outside of the database for as long as jobs may need them.

The database has only masked values (`generator.service.store.masking`) and marks their variables as ``hidden``. The
values are in a file for each pipeline, which only the service's user may read. It is removed with its pipeline, or a
week after the pipeline has ended: until then jobs can be retried. Values that include a secret of a package are removed
as soon as the pipeline has ended.

A file is written before the transaction that needs it is stored, and holds the values of the row before and after it
until then: the transaction may fail.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from generator.service.store import states
from generator.service.store.database import Database, Row, pipelines, row
from generator.service.store.masking import mask_value
from generator.shared import durable_files
from generator.shared.errors import UsageError

Variables = list[dict[str, Any]]
_KEPT = 7 * 24 * 3600.0
_OF = ""
"""The key of a digest in a file: of the variables that it belongs to. No variable has this name."""
_BEFORE = " "
"""The key of the earlier content of a file whose change is being stored."""


@dataclass(frozen=True, slots=True)
class HiddenValues:
    """The files with the secret values of a service's pipelines."""

    folder: Path

    def keep(self, number: int, variables: Variables, *, before: Sequence[dict[str, Any]] = ()) -> Variables:
        """Store the secret values of a pipeline; return its variables with masked values.

        Those of the variables ``before``, which the database still has, stay until `settle` is called.
        """
        hidden = {one["key"]: one["value"] for one in variables if _must_hide(one)}
        masked = [_mask(one) for one in variables]
        earlier = self._find(number, before) if any(one.get("hidden") for one in before) else None
        if hidden or earlier:
            self._write(number, {**hidden, _OF: _digest(masked), **({_BEFORE: earlier} if earlier else {})})
        else:
            self.remove(number)  # a file of a pipeline with this number whose transaction failed
        return masked

    def settle(self, number: int, variables: Variables) -> None:
        """After a change, remove all values but those of the variables that the database has."""
        kept = self._find(number, variables) if _BEFORE in self._read(number) else None
        if kept is None:
            return
        if kept.keys() <= {_OF}:
            self.remove(number)
        else:
            self._write(number, kept)

    def restore(self, number: int, variables: Variables) -> Variables:
        """Return the variables with their values.

        Raises:
            UsageError: the values are no longer stored, or those of other variables are: a change is being stored.
        """
        names = [one["key"] for one in variables if one.get("hidden")]
        if not names:
            return variables
        if kept := self._find(number, variables):
            with suppress(KeyError):
                return [{**one, "value": kept[one["key"]]} if one.get("hidden") else one for one in variables]
        listed = ", ".join(names)
        raise UsageError(f"{listed}: the values are no longer stored; start a new pipeline with them")

    def remove(self, number: int) -> None:
        """Remove the values of a pipeline."""
        self._file(number).unlink(missing_ok=True)

    def size(self, number: int) -> int:
        """Return the bytes of the values of a pipeline."""
        try:
            return self._file(number).stat().st_size
        except OSError:
            return 0

    def has_any(self) -> bool:
        """Return whether values of any number are stored."""
        return any(path.stem.isdecimal() for path in self.folder.glob("*.json"))

    def remove_others(self, known: Collection[int]) -> None:
        """Remove the values of all numbers but the known ones."""
        for path in self.folder.glob("*.json"):
            if path.stem.isdecimal() and int(path.stem) not in known:
                path.unlink(missing_ok=True)

    def remove_old(self, database: Database) -> None:
        """Remove the values of pipelines that were deleted or ended a week ago."""
        for number in [int(path.stem) for path in self.folder.glob("*.json") if path.stem.isdecimal()]:
            with database.transaction() as connection:  # excludes that a pipeline is created meanwhile
                found = row(connection, _pipeline(number))  # one at a time: each may have megabytes of variables
                if found is None or _is_over(found):
                    self.remove(number)

    def hide_earlier(self, database: Database) -> int:
        """Hide secret values that an earlier version stored as plain text; return in how many pipelines.

        Pipelines are read one at a time: together, their variables may need more memory than the machine has.
        """
        every = sa.select(pipelines.c.id, pipelines.c.variables)
        with database.connection() as connection:
            found = connection.execute(every, execution_options={"yield_per": 1})
            numbers = [number for number, variables in found if any(_must_hide(one) for one in variables)]
        for number in numbers:
            with database.transaction() as connection:
                if pipeline := row(connection, _pipeline(number)):
                    this = sa.update(pipelines).where(pipelines.c.id == number)
                    connection.execute(this.values(variables=self._hide(pipeline)))
        if numbers:
            database.forget_deleted()
        return len(numbers)

    def _hide(self, pipeline: Row) -> Variables:
        if pipeline["status"] in states.finished and (pipeline["finished_at"] or 0) < time.time() - _KEPT:
            return [_mask(one) for one in pipeline["variables"]]
        return self.keep(pipeline["id"], pipeline["variables"])

    def _find(self, number: int, variables: Sequence[dict[str, Any]]) -> dict[str, Any] | None:
        """Return the part of a file that belongs to variables, None if it has none."""
        kept = self._read(number)
        earlier = kept.pop(_BEFORE, {})
        of_these = (None, _digest(variables))  # earlier versions of packmill stored no digest
        return next((one for one in (kept, earlier) if one and one.get(_OF) in of_these), None)

    def _read(self, number: int) -> dict[str, Any]:
        try:
            found = json.loads(self._file(number).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}

    def _file(self, number: int) -> Path:
        return self.folder / f"{number}.json"

    def _write(self, number: int, values: dict[str, Any]) -> None:
        """Write a file atomically and flush it to disk before the pipeline is committed."""
        durable_files.make_folder(self.folder, 0o700)
        new = self._file(number).with_suffix(".new")
        with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as opened:
            json.dump(values, opened)
        durable_files.replace(new, self._file(number))


def has_secrets_of_one_run(variables: Variables) -> bool:
    """Return whether a variable has the mark ``once``: its values are not kept after the pipeline has ended."""
    return any(one.get("once") for one in variables)


def _digest(masked: Sequence[dict[str, Any]]) -> str:
    """Return what identifies the variables of a file: without it, a token could be sent to an earlier address."""
    return hashlib.sha256(json.dumps(masked, sort_keys=True).encode()).hexdigest()


def _pipeline(number: int) -> sa.Select[Any]:
    return sa.select(pipelines).where(pipelines.c.id == number)


def _is_over(pipeline: Row) -> bool:
    """Return whether no job of a pipeline needs its values any more."""
    if pipeline["status"] in states.finished and has_secrets_of_one_run(pipeline["variables"]):
        return True
    return bool((pipeline["finished_at"] or time.time()) < time.time() - _KEPT)


def _must_hide(one: dict[str, Any]) -> bool:
    return not one.get("hidden") and mask_value(one["key"], one["value"]) != one["value"]


def _mask(one: dict[str, Any]) -> dict[str, Any]:
    return {**one, "value": mask_value(one["key"], one["value"]), "hidden": True} if _must_hide(one) else one
