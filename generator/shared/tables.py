"""Tables in files and scraps, as many rows and columns as a page shows."""

from __future__ import annotations

import csv
import io
import itertools
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_ROWS, _COLUMNS, _CHARACTERS = 50, 20, 200
csv_bytes = 1 << 20
"""How much of a CSV file is read."""
_JSON_BYTES = 4 << 20
"""The largest JSON file that is read."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Table:
    """A table; ``more`` tells that rows or columns are left out."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    more: bool = False


def table_of_file(path: Path) -> Table | None:
    """Return the table in a CSV, TSV or JSON file; None for other files and those that are not a table."""
    reader = {".csv": _read_csv, ".tsv": _read_csv, ".json": _read_json}.get(path.suffix.lower())
    try:
        return reader(path) if reader else None
    except (OSError, ValueError, RecursionError, csv.Error):
        return None


def table_of_value(value: Any) -> Table | None:
    """Return a JSON value as a table: a list of objects, pandas' forms "split" and "table", or an object of lists."""
    if isinstance(value, Mapping):
        if isinstance(value.get("columns"), list) and _is_matrix(value.get("data")):
            return _table(value["columns"], value["data"])
        if isinstance(value.get("schema"), Mapping) and _is_records(value.get("data")):
            return _table_of_records(value["data"])
        lists = list(value.values())
        if lists and all(isinstance(one, list) for one in lists) and len({len(one) for one in lists}) == 1:
            return _table(list(value), zip(*lists, strict=True)) if lists[0] else None
        return None
    return _table_of_records(value) if _is_records(value) else None


def table_of_csv(data: bytes, *, is_tsv: bool, is_cut: bool) -> Table | None:
    """Return the table in the beginning of a CSV or TSV file, None if it is not text; ``is_cut``: the file is longer.

    Raises:
        csv.Error: a field is too long.
    """
    if b"\0" in data:
        return None
    text = data.decode("utf-8-sig", "replace")
    if is_cut:
        text = text[: text.rfind("\n") + 1]
    separator = "\t" if is_tsv else _separator(text.partition("\n")[0])
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
    header = next(rows, None)
    return _table(header, (row for row in rows if row), more=is_cut) if header else None


def _read_csv(path: Path) -> Table | None:
    with path.open("rb") as stream:
        data = stream.read(csv_bytes)
    return table_of_csv(data, is_tsv=path.suffix.lower() == ".tsv", is_cut=path.stat().st_size > len(data))


def _separator(header: str) -> str:
    return max(",;\t|", key=header.count)


def _read_json(path: Path) -> Table | None:
    if path.stat().st_size > _JSON_BYTES:
        return None
    return table_of_value(json.loads(path.read_bytes()))


def _is_records(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(row, Mapping) and row for row in value)


def _is_matrix(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(row, list) for row in value)


def _table_of_records(records: Sequence[Mapping[str, Any]]) -> Table:
    columns = list(dict.fromkeys(itertools.chain.from_iterable(records[:_ROWS])))
    return _table(columns, ([row.get(name, "") for name in columns] for row in records))


def _table(columns: Iterable[Any], rows: Iterable[Iterable[Any]], *, more: bool = False) -> Table:
    names = list(itertools.islice(columns, _COLUMNS + 1))
    shown = list(itertools.islice(rows, _ROWS + 1))
    width = len(names[:_COLUMNS])
    return Table(
        columns=tuple(_cell(name) for name in names[:_COLUMNS]),
        rows=tuple(tuple(_padded(map(_cell, itertools.islice(row, width)), width)) for row in shown[:_ROWS]),
        more=more or len(names) > _COLUMNS or len(shown) > _ROWS,
    )


def _padded(cells: Iterator[str], width: int) -> Iterator[str]:
    return itertools.islice(itertools.chain(cells, itertools.repeat("")), width)


def _cell(value: Any) -> str:
    text = value if isinstance(value, str) else "" if value is None else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _CHARACTERS else f"{text[:_CHARACTERS]}…"
