"""Results that a notebook glued, read from its outputs during the run (scrapbook 0.5.0; papermill's older records).

Data goes to ``scraps.json``. Displays (a figure, a dataset, a widget's HTML) and tables become files in ``scraps/``,
and ``scraps.json`` names them as CWL File objects.
"""

from __future__ import annotations

import base64
import binascii
import math
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from generator.runner.results.folder import write_result
from generator.shared import contract
from generator.shared.json_levels import read_json
from generator.shared.json_text import json_text

_SCRAP = "application/scrapbook.scrap."
_RECORD = "application/papermill.record+json"
_TABLE = "pandas"
_PARQUET = "application/vnd.apache.parquet"

_endings = {
    "application/x-netcdf": "nc",
    "image/png": "png",
    "image/jpeg": "jpg",
    "image/gif": "gif",
    "image/webp": "webp",
    "image/svg+xml": "svg",
    "application/pdf": "pdf",
    "text/html": "html",
    "application/geo+json": "geojson",
    "application/json": "json",
    "text/markdown": "md",
    "text/latex": "tex",
    "text/plain": "txt",
}
"""Endings by media type of a display; the first type present becomes the file: data first, plain text last."""


class Scraps:
    """The scraps of one run; a later scrap of a name replaces an earlier one."""

    def __init__(self, output: Path | None = None) -> None:
        """Files go to ``output / "scraps"``; without ``output`` they are named but not written."""
        self._values: dict[str, Any] = {}
        self._files: dict[str, dict[str, Any]] = {}
        self._owners: dict[str, int] = {}
        self._taken: set[str] = set()
        self._numbers: dict[tuple[str, str], int] = {}
        """The number of the last path of each stem: very many scraps of one stem would take hours if all began at 1."""
        self._output = output

    def take(self, index: int, cell: Mapping[str, Any], *, again: bool = False) -> None:
        """Collect the scraps of a cell; ``again`` only updates scraps that the cell already has."""
        for output in cell.get("outputs") or ():
            for name, kind, content in _read_scraps(output):
                if again and self._owners.get(name) != index:
                    continue
                self._owners[name] = index
                if kind == "data":
                    self._values[name] = content
                elif kind == "table":
                    self._values.pop(name, None)
                    self._file(name, _PARQUET, "parquet", content)
                else:
                    self._show(name, content)

    def _show(self, name: str, bundle: Mapping[str, Any]) -> None:
        kind = next((kind for kind in _endings if kind in bundle), None)
        if kind is None:
            return
        content = bundle[kind]
        if kind == "application/json" or kind.endswith("+json"):
            data = json_text(content)
        elif kind.startswith("text/") or kind == "image/svg+xml":
            data = _text(content).encode("utf-8", "surrogatepass")
        else:
            data = _bytes(_text(content))
        self._file(name, kind, _endings[kind], data)

    def _file(self, name: str, kind: str, ending: str, data: bytes) -> None:
        """Write ``scraps/<name>.<ending>`` and note its CWL File object."""
        before = self._files.pop(name, None)
        if before:
            self._taken.discard(before["path"])
            self._numbers.pop((_file_stem(name), before["path"].rpartition(".")[2]), None)
            if self._output is not None:
                (self._output / before["path"]).unlink(missing_ok=True)
        path = self._free_path(_file_stem(name), ending)
        if self._output is not None:
            write_result(self._output / path, data)
        self._files[name] = {"class": "File", "path": path, "basename": path.rpartition("/")[2], "format": kind}

    def _free_path(self, stem: str, ending: str) -> str:
        """Return an unused path; names that map to one file name get numbered files."""
        number = self._numbers.get((stem, ending), 1)
        while (path := _numbered_path(stem, number, ending)) in self._taken:
            number += 1
        self._numbers[stem, ending] = number
        self._taken.add(path)
        return path

    def all(self) -> dict[str, Any]:
        """Return data or File objects by name; data precedes a display of the same name."""
        return {name: self._values.get(name, self._files.get(name)) for name in self._owners}

    @property
    def files(self) -> tuple[str, ...]:
        """The paths of all files, relative to the output directory."""
        return tuple(sorted(file["path"] for file in self._files.values()))

    @property
    def status_code(self) -> int | None:
        """The HTTP status in the scrap ``statusCode``, as in papermill-api."""
        value = self._values.get("statusCode")
        if isinstance(value, str) and re.fullmatch(r"[1-5]\d\d", value):
            value = int(value)
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        return value if isinstance(value, int) and not isinstance(value, bool) and 100 <= value <= 599 else None

    def write(self) -> None:
        """Write ``scraps.json``."""
        if self._output is not None:
            write_result(self._output / contract.scraps_file, json_text(self.all()) + b"\n")


def _numbered_path(stem: str, number: int, ending: str) -> str:
    return f"{contract.scraps_folder}/{stem if number == 1 else f'{stem}-{number}'}.{ending}"


def _read_scraps(output: Mapping[str, Any]) -> Iterator[tuple[str, str, Any]]:
    """Yield name, kind (``data``, ``table`` or ``display``) and content."""
    bundle = output.get("data")
    if not isinstance(bundle, Mapping):
        return
    for kind, content in bundle.items():
        if kind.startswith(_SCRAP) and kind.endswith("+json") and isinstance(content, Mapping) and "name" in content:
            yield str(content["name"]), *_decode(content)
        elif kind == _RECORD and isinstance(content, Mapping):
            yield from ((str(name), "data", _replace_non_finite(value)) for name, value in content.items())
    metadata = _mapping(output.get("metadata"))
    older = _mapping(metadata.get("papermill"))
    shown = _mapping(metadata.get("scrapbook")) or older
    is_display = shown.get("display", "name" in older) if "name" in shown else False
    if is_display and not any(kind.startswith(_SCRAP) for kind in bundle):
        yield str(shown["name"]), "display", bundle


def _decode(content: Mapping[str, Any]) -> tuple[str, Any]:
    """Decode a scrap: JSON glued as text becomes data, a table the bytes of a parquet file."""
    data, encoder = content.get("data"), content.get("encoder")
    if encoder == _TABLE and isinstance(data, str):
        return "table", _bytes(data)
    if encoder == "json" and isinstance(data, str):
        try:
            return "data", _replace_non_finite(read_json(data))
        except (ValueError, RecursionError):
            return "data", data
    return "data", _replace_non_finite(data)


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _replace_non_finite(value: Any) -> Any:
    """Replace NaN and infinities, which JSON lacks, by null."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, Mapping):
        return {str(key): _replace_non_finite(item) for key, item in value.items()}
    return [_replace_non_finite(item) for item in value] if isinstance(value, list) else value


def _text(content: Any) -> str:
    return "".join(map(str, content)) if isinstance(content, list) else str(content)


def _bytes(text: str) -> bytes:
    try:
        return base64.b64decode(text)
    except (binascii.Error, ValueError):
        return text.encode("utf-8", "surrogatepass")


def _file_stem(name: str) -> str:
    """Convert a scrap's name to a safe file name, not hidden and without folders."""
    stem = re.sub(r"[^\w.+-]+", "_", name).lstrip(".")
    return stem.encode("utf-8", "replace")[:200].decode("utf-8", "ignore") or "scrap"
