"""``results.csv`` and ``results.parquet``: a row for each row of the table, in its order.

Columns: ``row``, the columns of the table, ``state``, ``reason``, ``message``, ``cell``, ``attempts``, ``seconds``,
``peak_memory`` (bytes), ``folder``, the paths of the outputs, and every scrap. A column of the table, an output or a
scrap whose name is taken gets the prefix ``input_``, ``output_`` or ``scrap_``.
"""

from __future__ import annotations

import csv
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

from generator.package.file_objects import file_objects
from generator.package.map.folders import rows_folder
from generator.package.map.journal import Ended
from generator.package.map.records import presentable
from generator.package.map.rows import PlannedRow
from generator.shared import durable_files
from generator.shared.json_text import spell_non_finite
from generator.shared.safe_text import redacted
from generator.shared.staging_records import is_record_in_text

csv_file, parquet_file = "results.csv", "results.parquet"
_OWN = ("state", "reason", "message", "cell", "attempts", "seconds", "peak_memory")
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""First characters that begin a formula in spreadsheets (OWASP, "CSV Injection"); four of them are full-width."""
_MOST_CELLS, _LEAST_COLUMNS = 20_000_000, 100
"""Scraps, and outputs, have so many columns that there are not more cells, but at least some."""
Result = tuple[PlannedRow, str, Ended | None]
"""A row, the path of its folder below ``rows``, and how it ended; None if it has not run."""


def write_results(
    outdir: Path, results: Sequence[Result], *, warn: Callable[[str], None] = lambda _line: None
) -> list[Path]:
    """Write the table of results; ``results.parquet`` only if pyarrow is installed. Return the paths."""
    columns, records = tabulate(results, warn=warn)
    written = [outdir / csv_file]
    _write_csv(written[0], columns, records)
    if find_spec("pyarrow"):
        written.append(outdir / parquet_file)
        _write_parquet(written[1], columns, records)
    return written


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield the path of a new file that gets the name ``path`` when it is complete; a link is not followed."""
    temporary = path.with_name(f".{path.name}.new")
    temporary.unlink(missing_ok=True)  # of a map that was killed, or a link that came with a repository
    temporary.touch(exist_ok=False)
    try:
        yield temporary
        durable_files.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def tabulate(
    results: Sequence[Result], *, warn: Callable[[str], None] = lambda _line: None
) -> tuple[list[str], list[dict[str, Any]]]:
    """Return the names of the columns, and the records; ``warn`` gets how many scraps and outputs have no column."""
    taken = {"row", *_OWN, "folder"}
    given = _columns(dict.fromkeys(name for row, _, _ in results for name in row.given), taken, "input_")
    output_names, fewer_outputs = _frequent_names(results, "outputs")
    scrap_names, fewer_scraps = _frequent_names(results, "scraps")
    if left_out := fewer_outputs + fewer_scraps:
        warn(f"{left_out} scraps or outputs of few rows have no column in the tables of results; see the rows' folders")
    outputs, scraps = _columns(output_names, taken, "output_"), _columns(scrap_names, taken, "scrap_")
    records = [_record(result, given, outputs, scraps) for result in results]
    return ["row", *given.values(), *_OWN, "folder", *outputs.values(), *scraps.values()], records


def _frequent_names(results: Sequence[Result], kind: Literal["outputs", "scraps"]) -> tuple[list[str], int]:
    """Return the names of scraps or outputs, and how many are left out of too many, since they are less frequent.

    A notebook may use other names in each row.
    """
    counts = Counter(name for _, _, ended in results if ended for name in getattr(ended, kind))
    most = max(_LEAST_COLUMNS, _MOST_CELLS // len(results))
    if len(counts) <= most:
        return list(counts), 0
    return sorted(counts, key=counts.__getitem__, reverse=True)[:most], len(counts) - most


def _columns(names: Iterable[str], taken: set[str], prefix: str) -> dict[str, str]:
    columns: dict[str, str] = {}
    for name in names:
        column = name if name not in taken else f"{prefix}{name}"
        while column in taken:
            column += "_"
        taken.add(column)
        columns[name] = column
    return columns


def _record(
    result: Result, given: Mapping[str, str], outputs: Mapping[str, str], scraps: Mapping[str, str]
) -> dict[str, Any]:
    row, folder, ended = result
    record: dict[str, Any] = {"row": row.number, **{given[name]: _value(row, name) for name in row.given}}
    if ended is None:
        return {**record, "state": "missing"}
    place = f"{rows_folder}/{folder}"
    record |= {name: getattr(ended, name) for name in _OWN}
    record["folder"] = place
    record |= {outputs[name]: _placed(value, place) for name, value in ended.outputs.items() if name in outputs}
    return record | {scraps[name]: value for name, value in ended.scraps.items() if name in scraps}


def _value(row: PlannedRow, name: str) -> Any:
    """Return the value of an input; of files, the cell of the table.

    Tables of results are shown to others: records have no keys there, and addresses no users, passwords and queries.
    """
    value, cell = row.values.get(name), row.given[name]
    is_text_of_record = name in row.keys.records and isinstance(cell, str) and is_record_in_text(cell)
    shown = cell if any(file_objects(value)) and not is_text_of_record else value
    return _redacted(presentable(row.keys.removed_from({name: shown}).get(name), finite=False))


def _redacted(value: Any) -> Any:
    if isinstance(value, list):
        return [_redacted(item) for item in value]
    if isinstance(value, dict):
        return {name: _redacted(item) for name, item in value.items()}
    return redacted(value) if isinstance(value, str) and "://" in value else value


def _placed(path: Any, place: str) -> Any:
    if isinstance(path, list):
        return [_placed(one, place) for one in path]
    return f"{place}/{path}" if isinstance(path, str) else None


def _write_csv(path: Path, columns: Sequence[str], records: Iterable[Mapping[str, Any]]) -> None:
    with replacing(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(map(_cell, columns))
        for record in records:
            writer.writerow([_cell(record.get(name)) for name in columns])


def _cell(value: Any) -> Any:
    if isinstance(value, str):
        return f"'{value}" if value.startswith(_FORMULA) else value
    if isinstance(value, list | dict):
        return json.dumps(spell_non_finite(value), ensure_ascii=False)
    return json.dumps(value) if isinstance(value, bool) else value


def _write_parquet(path: Path, columns: Sequence[str], records: Sequence[Mapping[str, Any]]) -> None:
    import pyarrow
    from pyarrow import parquet

    arrays = [_array(pyarrow, [record.get(name) for record in records]) for name in columns]
    with replacing(path) as temporary:
        parquet.write_table(pyarrow.table(dict(zip(columns, arrays, strict=True))), temporary, compression="zstd")


def _array(pyarrow: Any, values: list[Any]) -> Any:
    """Return a column with the type of its values; numbers of both kinds become doubles, anything mixed JSON text.

    Whole numbers that doubles or 64 bits do not have (PyArrow refuses those) are mixed, too.
    """
    kinds = {type(value) for value in values if value is not None}
    is_one_kind = len(kinds) <= 1 or kinds == {int, float}
    try:
        if is_one_kind and dict not in kinds and not (list in kinds and _has_empty_object(values)):
            return pyarrow.array(values)
    except (pyarrow.ArrowException, OverflowError):
        pass
    spelled = map(spell_non_finite, values)
    texts = [value if value is None or isinstance(value, str) else json.dumps(value) for value in spelled]
    return pyarrow.array(texts, pyarrow.string())


def _has_empty_object(value: Any) -> bool:
    """Return whether a value has an object without fields, for which Parquet has no type."""
    if isinstance(value, list):
        return any(map(_has_empty_object, value))
    return isinstance(value, dict) and (not value or any(map(_has_empty_object, value.values())))
