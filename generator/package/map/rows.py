"""The rows of a map: values that fit the interface, and a folder for each."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from generator.notebook.literals import MisfitError
from generator.notebook.parameters import CwlType, Hint, Role
from generator.package.assignments import refuse_outside, typed_value
from generator.package.inputs import check_job
from generator.package.map.destinations import shared_destinations, stage_out_input
from generator.package.map.tables import Row, TypedRow, geometry
from generator.shared import contract
from generator.shared.errors import UsageError
from generator.shared.staging_records import is_record_in_text, secret_fields
from generator.shared.suggestions import did_you_mean

_MOST_SHOWN = 20
"""Mistakes that one message lists."""
_KEY_FIELDS = secret_fields | {"aws_access_key_id"}


class TableMisfitError(UsageError):
    """A table does not fit a package; ``mistakes`` has a line for each mistake."""

    def __init__(self, mistakes: Sequence[str]) -> None:
        self.mistakes = tuple(mistakes)
        super().__init__("\n".join(["the table does not fit the package:", *_shortened(mistakes)]))


@dataclass(frozen=True, kw_only=True, slots=True)
class Keys:
    """The inputs of a package that are secret, and those whose records can have keys, such as ``stage_out``."""

    secret: frozenset[str] = frozenset()
    records: frozenset[str] = frozenset()

    def removed_from(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Return values without secret ones and without the keys of records."""
        return {
            name: _without_keys(value) if name in self.records else value
            for name, value in values.items()
            if name not in self.secret
        }


@dataclass(frozen=True, kw_only=True, slots=True)
class PlannedRow:
    """A row that is to run; ``number`` counts from 1."""

    number: int
    values: Mapping[str, Any]
    given: Mapping[str, Any]
    """The columns of the table."""
    package: Path | None = None
    """The folder of the package if that is another one in each job of a CI system."""
    keys: Keys = Keys()
    """Which of the values only open something, and may be renewed between two runs of a row."""

    @property
    def digest(self) -> str:
        """What identifies the values: a row with others is another run. Files of the package are at any place."""
        return self._digest(self.keys.removed_from(self.values))

    @property
    def digest_with_keys(self) -> str:
        """What identifies all values: a row that waits with others would run with keys that were renewed since."""
        return self._digest(self.values)

    def _digest(self, values: Mapping[str, Any]) -> str:
        text = json.dumps(values, sort_keys=True)
        if self.package is not None:
            text = text.replace(f'"{self.package.as_uri()}/', '"package:')
        return hashlib.sha256(text.encode()).hexdigest()


def plan_rows(
    table: Sequence[Row], shared: Mapping[str, Any], hints: Mapping[str, Hint], *, folder: Path,
    only: Path | None = None, package: Path | None = None,
) -> list[PlannedRow]:  # fmt: skip
    """Check all rows against the interface; ``shared`` are values of all rows, ``folder`` is where paths start.

    ``only`` is the one folder of this machine whose files rows may have. ``package`` is that of `PlannedRow`.

    Raises:
        TableMisfitError: columns or values do not fit; it has all mistakes with the numbers of their rows.
    """
    _check_columns(table, hints)
    rows: list[PlannedRow] = []
    wrong: list[str] = []
    keys = _keys(hints)
    for number, given in enumerate(table, 1):
        cells = {name: cell for name, cell in given.items() if name in hints}
        typed = isinstance(given, TypedRow)
        values, misfits = _values(cells, hints, folder, only, typed=typed)
        wrong += [f"row {number}: {name} {problem}" for name, problem in misfits.items()]
        fitting = {name: hint for name, hint in hints.items() if name not in misfits}
        job = {name: value for name, value in {**shared, **values}.items() if name not in misfits}
        try:
            fitted = check_job(job, fitting, folder / "the row")
        except UsageError as error:
            wrong += [f"row {number}: {line.strip()}" for line in str(error).splitlines()[1:]]
        else:
            rows.append(PlannedRow(number=number, values=fitted, given=cells, package=package, keys=keys))
    own = {row.number: row.values.get(stage_out_input) for row in rows if stage_out_input in row.given}
    wrong += shared_destinations(own)
    if wrong:
        raise TableMisfitError(wrong)
    return rows


def _keys(hints: Mapping[str, Hint]) -> Keys:
    secret = {name for name, hint in hints.items() if hint.secret}
    records = {name for name, hint in hints.items() if hint.role is Role.STAGE_IN}
    return Keys(secret=frozenset(secret | {contract.credentials_input}), records=frozenset(records | {stage_out_input}))


def _without_keys(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _without_keys(item) for name, item in value.items() if name not in _KEY_FIELDS}
    return [_without_keys(item) for item in value] if isinstance(value, list | tuple) else value


def _check_columns(table: Sequence[Row], hints: Mapping[str, Hint]) -> None:
    """Refuse columns that are not inputs; the geometry of features is one only where an input asks for it."""
    columns = dict.fromkeys(name for row in table for name in row)
    unknown = [name for name in columns if name not in hints and name != geometry]
    if unknown:
        known = ", ".join(hints) or "none"
        listed = [f"column {name!r} is not an input{did_you_mean(name, hints)}" for name in unknown]
        raise TableMisfitError([*listed[: _MOST_SHOWN - 1], f"inputs: {known}"])
    if secret := [name for name in columns if name in hints and hints[name].secret]:
        raise UsageError(f"{secret[0]} is secret; put it into a job file for all rows, not into the table")


def _values(
    cells: Row, hints: Mapping[str, Hint], folder: Path, only: Path | None, *, typed: bool
) -> tuple[dict[str, Any], dict[str, str]]:
    """Return the values of a row's cells, and the problems of the others by name."""
    values: dict[str, Any] = {}
    misfits: dict[str, str] = {}
    for name, cell in cells.items():
        try:
            is_record = name == stage_out_input and isinstance(cell, str) and is_record_in_text(cell)
            values[name] = _value(cell, hints[name], folder, only, typed=typed and not is_record)
            if only is not None:
                refuse_outside(values[name], only)
        except MisfitError as error:
            misfits[name] = str(error)
    return values, misfits


def _value(cell: Any, hint: Hint, folder: Path, only: Path | None, *, typed: bool) -> Any:
    is_path = hint.type in (CwlType.FILE, CwlType.DIRECTORY)
    is_list = hint.array and isinstance(cell, str) and cell.lstrip().startswith("[")
    if typed and isinstance(cell, str) and hint.type is CwlType.ANY and not is_list:
        return [cell] if hint.array else cell
    if isinstance(cell, str):
        return typed_value(cell, hint, folder, only)
    if isinstance(cell, list) and hint.array and is_path:
        one = replace(hint, array=False, optional=False)
        return [typed_value(item, one, folder, only) if isinstance(item, str) else item for item in cell]
    return cell


def _shortened(lines: Sequence[str]) -> Iterator[str]:
    yield from (f"  {line}" for line in lines[:_MOST_SHOWN])
    if len(lines) > _MOST_SHOWN:
        yield f"  and {len(lines) - _MOST_SHOWN} more"
