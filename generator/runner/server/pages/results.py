"""What a run's page shows of its results: values, tables, pictures, and the files to download."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from generator.runner.server.runs.folder import RunFolder
from generator.shared import contract
from generator.shared.tables import Table, table_of_file, table_of_value

_PICTURES = (".png", ".jpg", ".jpeg", ".gif", ".webp", ".svg", ".avif", ".bmp")
_TABLE_KINDS = ("csv", "tsv", "json", "parquet")
_MAPS = {".geojson": "geojson", ".tif": "geotiff", ".tiff": "geotiff"}
_PAGES = (".html", ".htm")
_FILES_SHOWN = 200
_TABLES, _TABLES_TRIED, _PICTURES_SHOWN, _MAPS_SHOWN = 8, 24, 24, 8
_SCRAPS_SHOWN = 100
_LARGEST_SCRAPS = 20_000_000
"""Bytes of a ``scraps.json`` that is read for a page."""
_VALUE_CHARACTERS = 5_000
_OWN_FILES = (contract.result_file, contract.scraps_file)


@dataclass(frozen=True, kw_only=True, slots=True)
class OutputFile:
    """A file that a run wrote; ``kind`` is picture, page, parquet, geojson, geotiff or other."""

    path: str
    size: int
    kind: str
    digest: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Shown:
    """A named result: one of a text, a table and a file."""

    name: str
    text: str = ""
    table: Table | None = None
    file: OutputFile | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Results:
    """The results of a run that has ended."""

    parameters: Mapping[str, str]
    scraps: tuple[Shown, ...]
    more_scraps: bool
    pictures: tuple[OutputFile, ...]
    tables: tuple[Shown, ...]
    maps: tuple[OutputFile, ...]
    files: tuple[OutputFile, ...]
    more_files: int
    notebook: OutputFile | None
    duration: float | None
    peak_memory: int | None
    delivered: str
    """Where the executed notebook is stored besides; empty if it is not."""
    kernel: str


def read_results(folder: RunFolder) -> Results:
    """Read the results of a run; empty ones if it has not written any."""
    result = folder.read_result()
    files = [_output(one) for one in result.get("outputs") or () if isinstance(one, Mapping)]
    by_path = {one.path: one for one in files}
    values = _read_scraps(folder)
    shown = itertools.islice((values or {}).items(), _SCRAPS_SHOWN)
    scraps = tuple(_scrap(name, value, by_path, folder) for name, value in shown)
    in_scraps = {one.file.path for one in scraps if one.file}
    notebook = by_path.get(str(result.get("notebook")))
    others = [one for one in files if one.path not in (*_OWN_FILES, *in_scraps) and one is not notebook]
    pictures = _without_copies(others, {one.file.digest for one in scraps if one.file})[:_PICTURES_SHOWN]
    return Results(
        parameters={name: _short(value) for name, value in (result.get("parameters") or {}).items()},
        scraps=scraps,
        more_scraps=values is None or len(values) > len(scraps),
        pictures=tuple(pictures),
        tables=tuple(_file_tables(others, folder)),
        maps=tuple(one for one in others if one.kind in _MAPS.values())[:_MAPS_SHOWN],
        files=tuple(files[:_FILES_SHOWN]),
        more_files=max(0, len(files) - _FILES_SHOWN),
        notebook=notebook,
        duration=result.get("duration"),
        peak_memory=result.get("peak_memory"),
        delivered=str(result.get("delivered") or ""),
        kernel=result.get("kernel") or "",
    )


def _output(one: Mapping[str, Any]) -> OutputFile:
    path = str(one.get("path"))
    ending = PurePosixPath(path).suffix.lower()
    known = "picture" if ending in _PICTURES else "page" if ending in _PAGES else _MAPS.get(ending, "")
    kind = known or ending.lstrip(".")
    return OutputFile(path=path, size=int(one.get("size") or 0), kind=kind, digest=str(one.get("sha256") or ""))


def _without_copies(files: list[OutputFile], shown: set[str]) -> list[OutputFile]:
    """Return the pictures whose content neither a scrap nor an earlier one has."""
    pictures = (one for one in files if one.kind == "picture" and one.digest not in shown)
    return list({one.digest or one.path: one for one in reversed(list(pictures))}.values())[::-1]


def _read_scraps(folder: RunFolder) -> dict[str, Any] | None:
    """Return the scraps; None if there is too much of them for a page."""
    file = folder.output / contract.scraps_file
    if file.is_file() and file.stat().st_size > _LARGEST_SCRAPS:
        return None
    return folder.read_scraps()


def _file_tables(files: list[OutputFile], folder: RunFolder) -> Iterator[Shown]:
    candidates = (one for one in files if one.kind in _TABLE_KINDS)
    shown = (_table_of(one, folder) for one in itertools.islice(candidates, _TABLES_TRIED))
    return itertools.islice((one for one in shown if one is not None), _TABLES)


def _table_of(one: OutputFile, folder: RunFolder) -> Shown | None:
    """Return the table in a file; browsers read Parquet files themselves."""
    path = folder.output_file(one.path)
    table = table_of_file(path) if path else None
    return Shown(name=one.path, table=table, file=one) if table or one.kind == "parquet" else None


def _scrap(name: str, value: Any, files: Mapping[str, OutputFile], folder: RunFolder) -> Shown:
    file = files.get(str(value.get("path"))) if isinstance(value, Mapping) and value.get("class") == "File" else None
    if file is not None:
        path = folder.output_file(file.path)
        return Shown(name=name, file=file, table=table_of_file(path) if path else None)
    if table := table_of_value(value):
        return Shown(name=name, table=table)
    return Shown(name=name, text=_short(value))


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, indent=_indent(value))
    return text if len(text) <= _VALUE_CHARACTERS else f"{text[:_VALUE_CHARACTERS]}…"


def _indent(value: Any) -> int | None:
    return 1 if isinstance(value, Mapping | list) and len(str(value)) > 80 else None
