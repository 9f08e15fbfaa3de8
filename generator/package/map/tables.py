"""Read a table of inputs: CSV, JSON lines, GeoJSON, Parquet, or the product of lists of values.

A cell of CSV is text, as after ``-p``; those of the other formats have types. An empty cell of CSV and a null give no
value. A feature of GeoJSON (RFC 7946) is a row: its properties are columns, and its geometry is the column
``geometry``.
"""

from __future__ import annotations

import contextlib
import csv
import io
import itertools
import json
import math
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from generator.shared.bounded_memory import bounded_memory, machine_memory
from generator.shared.errors import UsageError
from generator.shared.yaml_problems import refuse_doubles

Row = Mapping[str, Any]


class TypedRow(dict[str, Any]):
    """A row of a table whose cells have types: its texts are texts, also those that look like a number or JSON."""


geometry = "geometry"
"""The column with the geometry of a feature."""
_RANGE = re.compile(r"(-?\d+)\.\.(-?\d+)")
_LONGEST_RANGE = 100
"""Characters: Python converts no number of thousands of digits."""
_MOST_ROWS = 1_000_000
"""A few hundred bytes of Parquet can have any number of rows."""
_LEAST_MEMORY, _SHARE_OF_MEMORY = 4 << 30, 0.25
"""Bytes that reading a table may take: a share of the machine's memory, and no less than some."""
_LARGEST_CELL = 16 << 20
"""Characters of a cell of CSV, such as a geometry."""
_ROWS_AT_ONCE = 1024
"""Rows of Parquet that are in memory twice."""


class OversizedTableError(UsageError):
    """A table takes more memory than this process may use for it."""


def read_table(path: Path) -> list[Row]:
    """Read the rows of a table by the ending of its name.

    Raises:
        OversizedTableError: its rows take too much memory.
        UsageError: the file cannot be read, does not have the format of its ending, or has too many rows.
    """
    read = _readers.get(path.suffix.lower())
    if read is None:
        known = ", ".join(_readers)
        raise UsageError(f"{path}: unknown kind of table; its name has to end in one of {known}")
    try:
        with bounded_memory(max(_LEAST_MEMORY, int(machine_memory() * _SHARE_OF_MEMORY))):
            rows = list(itertools.islice(read(path), _MOST_ROWS + 1))
    except MemoryError:
        raise OversizedTableError(f"{path}: its rows take too much memory; split the table") from None
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror or error}") from None
    except UnicodeDecodeError:
        raise UsageError(f"{path}: not text in UTF-8; save the file in this encoding") from None
    if not rows:
        raise UsageError(f"{path}: has no rows")
    if len(rows) > _MOST_ROWS:
        raise UsageError(f"{path}: has more than {_MOST_ROWS:,} rows; split the table")
    return rows


def product(assignments: Sequence[str]) -> list[Row]:
    """Combine lists of values: ``year=2019..2023 tile=a,b`` gives ten rows, the last column changing first.

    Raises:
        UsageError: an assignment is not ``NAME=VALUES``, or there are too many rows.
    """
    columns: dict[str, list[str]] = {}
    for assignment in assignments:
        name, equals, text = assignment.partition("=")
        if not name or not equals or not text:
            raise UsageError(f"--product {assignment!r}: write it as NAME=VALUE,VALUE or NAME=FIRST..LAST")
        if name in columns:
            raise UsageError(f"--product {name}: given twice; separate its values by commas")
        columns[name] = _values(text)
    if empty := [name for name, values in columns.items() if not values]:
        raise UsageError(f"--product {empty[0]}: has no values")
    count = math.prod(map(len, columns.values()))
    if count > _MOST_ROWS:
        raise UsageError(f"--product gives {count:,} rows; the most is {_MOST_ROWS:,}")
    return [dict(zip(columns, values, strict=True)) for values in itertools.product(*columns.values())]


def _values(text: str) -> list[str]:
    span = _RANGE.fullmatch(text)
    if not span:
        return _listed(text)
    if len(text) > _LONGEST_RANGE:
        raise UsageError(f"--product {text[:_LONGEST_RANGE]}…: a range has at most {_LONGEST_RANGE} characters")
    first, last = int(span[1]), int(span[2])
    if abs(last - first) >= _MOST_ROWS:
        raise UsageError(f"--product {text}: more than {_MOST_ROWS:,} values")
    width = len(span[1]) if span[1].startswith("0") and len(span[1]) == len(span[2]) else 0
    step = 1 if last >= first else -1
    return [f"{number:0{width}d}" for number in range(first, last + step, step)]


def _listed(text: str) -> list[str]:
    """Return the values of a list, which is a line of CSV."""
    try:
        with _long_cells():
            return next(csv.reader([text]), [])
    except csv.Error as error:
        raise UsageError(f"--product {text[:_LONGEST_RANGE]}: not a list of values: {error}") from None


def _read_csv(path: Path, delimiter: str = ",") -> Iterator[Row]:
    with _long_cells(), path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.reader(file, delimiter=delimiter, strict=True)
        try:
            names = [name.strip() for name in next(reader, [])]
            _check_names(path, names)
            for cells in reader:
                if not cells:
                    continue
                if len(cells) > len(names):
                    raise UsageError(
                        f"{path} line {reader.line_num}: {len(cells)} cells for {len(names)} columns; "
                        "put cells with a comma in quotes"
                    )
                yield {name: cell for name, cell in zip(names, cells, strict=False) if cell != ""}
        except csv.Error as error:
            raise UsageError(f"{path} line {reader.line_num}: not CSV: {error}") from None


@contextlib.contextmanager
def _long_cells() -> Iterator[None]:
    """Let the csv module read long cells; its limit applies to all readers of the process, so it is restored."""
    limit = csv.field_size_limit(_LARGEST_CELL)
    try:
        yield
    finally:
        csv.field_size_limit(limit)


def _check_names(path: Path, names: Sequence[str]) -> None:
    if len(names) == 1 and ";" in names[0]:
        raise UsageError(f"{path} line 1: the columns are separated by ';'; save the file with commas")
    if not all(names):
        raise UsageError(f"{path} line 1: column {names.index('') + 1} has no name")
    _refuse_doubled(f"{path} line 1", names)


def _refuse_doubled(where: str, names: Sequence[str]) -> None:
    doubled = next((name for name, count in Counter(names).items() if count > 1), None)
    if doubled is not None:
        raise UsageError(f"{where}: two columns are named {doubled!r}")


def _read_tsv(path: Path) -> Iterator[Row]:
    return _read_csv(path, "\t")


def _read_json_lines(path: Path) -> Iterator[Row]:
    with path.open(encoding="utf-8-sig") as file:
        for number, line in enumerate(file, 1):
            if line.strip():
                yield _object(_parse(line, f"{path} line {number}"), f"{path} line {number}")


def _read_json(path: Path) -> Iterator[Row]:
    """Read a list of objects, or a GeoJSON document."""
    document = _parse(path.read_text(encoding="utf-8-sig"), str(path))
    if isinstance(document, dict) and document.get("type") in ("FeatureCollection", "Feature"):
        yield from _features(document, path)
        return
    if not isinstance(document, list):
        raise UsageError(f"{path}: neither a list of objects nor GeoJSON features")
    for number, one in enumerate(document, 1):
        yield _object(one, f"{path} item {number}")


def _features(document: Mapping[str, Any], path: Path) -> Iterator[Row]:
    features = document.get("features") if document["type"] == "FeatureCollection" else [document]
    if not isinstance(features, list):
        raise UsageError(f"{path}: the FeatureCollection has no list of features")
    for number, one in enumerate(features, 1):
        feature = _object(one, f"{path} feature {number}")
        properties = feature.get("properties") or {}
        row = _object(properties, f"{path} feature {number}: its properties")
        if feature.get(geometry) and geometry not in row:
            row[geometry] = feature[geometry]
        yield row


def _parse(text: str, where: str) -> Any:
    def refuse(word: str) -> None:
        raise ValueError(f"{word} is not a number of JSON")

    def finite(digits: str) -> float:
        if math.isinf(value := float(digits)):
            raise ValueError(f"{digits[:40]} is too large a number")
        return value

    try:
        value = json.loads(text, object_pairs_hook=refuse_doubles, parse_constant=refuse, parse_float=finite)
        if "\\u" in text:
            json.dumps(value, ensure_ascii=False).encode()
        return value
    except UnicodeEncodeError:
        raise UsageError(f"{where}: a text has half of a surrogate pair, which is not a character") from None
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{where}: not JSON: {error}") from None


def _object(value: Any, where: str) -> TypedRow:
    if not isinstance(value, dict):
        raise UsageError(f"{where}: not an object of columns and values")
    return TypedRow((name, cell) for name, cell in value.items() if cell is not None)


def _read_parquet(path: Path) -> Iterator[Row]:
    try:
        from pyarrow import ArrowException, parquet
    except ModuleNotFoundError:
        raise UsageError(f"{path}: Parquet needs pyarrow; install it: pip install 'packmill[tables]'") from None
    try:
        with parquet.ParquetFile(io.BytesIO(path.read_bytes())) as file:
            _refuse_doubled(str(path), file.schema_arrow.names)
            first = 1
            for batch in file.iter_batches(_ROWS_AT_ONCE, use_threads=False):
                for number, row in enumerate(batch.to_pylist(), first):
                    _check_binary(row, f"{path} row {number}")
                    yield TypedRow((name, _plain(cell)) for name, cell in row.items() if cell is not None)
                first += batch.num_rows
    except MemoryError:  # Arrow's own is an ArrowException, too
        raise
    except ArrowException as error:
        raise UsageError(f"{path}: not Parquet: {error}") from None
    except (ValueError, OverflowError) as error:  # nanoseconds, and times that Python does not have
        raise UsageError(f"{path}: a value cannot be read: {error}") from None


def _check_binary(row: Mapping[str, Any], where: str) -> None:
    if binary := [name for name, cell in row.items() if _has_bytes(cell)]:
        raise UsageError(f"{where}: column {binary[0]!r} has bytes; convert them to text")


def _has_bytes(cell: Any) -> bool:
    if isinstance(cell, list | tuple | dict):
        return any(map(_has_bytes, cell.values() if isinstance(cell, dict) else cell))
    return isinstance(cell, bytes)


def _plain(cell: Any) -> Any:
    """Return a cell as JSON has it; times become text in ISO 8601."""
    if isinstance(cell, list | tuple):  # a tuple is an entry of a map
        return [_plain(item) for item in cell]
    if isinstance(cell, dict):
        return {name: _plain(item) for name, item in cell.items()}
    if isinstance(cell, str | bool | int | float) or cell is None:
        return cell
    return cell.isoformat() if hasattr(cell, "isoformat") else str(cell)


_readers: Mapping[str, Callable[[Path], Iterator[Row]]] = {
    ".csv": _read_csv,
    ".tsv": _read_tsv,
    ".jsonl": _read_json_lines,
    ".ndjson": _read_json_lines,
    ".json": _read_json,
    ".geojson": _read_json,
    ".parquet": _read_parquet,
}
