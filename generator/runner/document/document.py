"""The notebook while it runs: read once, saved many times, with finished cells kept on disk.

The text is byte for byte what nbformat writes (nbformat 4.5). A finished cell is serialized at once. From a megabyte
on, they are in an unnamed file next to the notebook, so that neither memory nor the cost of a save grows with the
outputs.
"""

from __future__ import annotations

import errno
import io
import json
import re
from collections.abc import Callable, Iterable, Iterator, MutableMapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any
from zlib import crc32

from generator.notebook.notebook import LINE_KEY, REMARKS_KEY, decode_notebook, read_notebook
from generator.runner.document.streams import plain_output
from generator.shared.errors import NotebookError
from generator.shared.json_text import json_text

_SPLIT_KINDS = ("application/javascript", "image/svg+xml")
_BLOCK = 1024**2
_IN_MEMORY = 1024**2
"""Bytes of finished cells that are not worth a file."""


@dataclass(frozen=True, slots=True)
class _StoredCell:
    """A finished cell that was set aside: offset and size in bytes."""

    offset: int
    size: int


class Document:
    """A notebook of nbformat 4.5; `cell` returns its cells."""

    def __init__(self, cells: list[dict[str, Any]], metadata: dict[str, Any], minor: int) -> None:
        self.metadata = metadata
        self.minor = minor
        self.hide: Callable[[dict[str, Any]], dict[str, Any]] = dict
        """Masks secrets in an output before it is written."""
        self._cells: list[dict[str, Any] | _StoredCell] = list(cells)
        self._store: IO[bytes] | None = None
        self._ids = {str(cell.get("id")) for cell in cells}

    def __len__(self) -> int:
        return len(self._cells)

    def cell(self, index: int) -> dict[str, Any]:
        """Return a cell, loading it from disk if needed."""
        cell = self._cells[index]
        if isinstance(cell, _StoredCell):
            cell = self._cells[index] = _join_lines(json.loads(b"".join(self._read_stored(cell))))
        return cell

    def new_id(self, seed: str) -> str:
        """Return an unused cell id of eight characters (nbformat 4.5, "Cell ids") derived from ``seed``."""
        identity = _new_id(seed, self._ids)
        self._ids.add(identity)
        return identity

    def insert(self, index: int, cell: dict[str, Any]) -> None:
        """Insert a cell before the one at ``index``."""
        self._cells.insert(index, cell)

    def remove(self, index: int) -> None:
        """Remove a cell; only before the first cell runs."""
        del self._cells[index]

    def replace(self, index: int, cell: dict[str, Any]) -> None:
        """Replace a cell."""
        self._cells[index] = cell

    def store_cell(self, index: int, folder: Path | None) -> None:
        """Set a finished cell aside: in memory, if all are small, else in a file that vanishes with the process.

        The file is in ``folder`` or TMPDIR.

        Raises:
            OSError: the file cannot be written, as on a full disk; the cell stays in memory.
        """
        cell = self._cells[index]
        if isinstance(cell, _StoredCell) or not cell.get("outputs"):
            return
        text = self._text_of(cell)
        if self._store is None:
            self._store = io.BytesIO()
        offset = self._store.seek(0, 2)
        if isinstance(self._store, io.BytesIO) and offset + len(text) > _IN_MEMORY:
            file = _open_store(folder)
            _append(file, 0, self._store.getvalue())
            self._store = file
        _append(self._store, offset, text)
        self._cells[index] = _StoredCell(offset, len(text))

    def load_all(self) -> None:
        """Load all cells back into memory, freeing their disk space."""
        for index in range(len(self._cells)):
            self.cell(index)
        if self._store is not None:
            self._store.close()
            self._store = None

    def text(self) -> Iterator[bytes]:
        """Yield the notebook's file in pieces."""
        yield b"{\n"
        between = b' "cells": [\n  '
        for cell in self._cells:
            yield between
            if isinstance(cell, _StoredCell):
                yield from self._read_stored(cell)
            else:
                yield self._text_of(cell)
            between = b",\n  "
        yield b"\n ],\n" if self._cells else b' "cells": [],\n'
        metadata = {key: value for key, value in self.metadata.items() if key not in _TRANSIENT}
        rest = {"metadata": metadata, "nbformat": 4, "nbformat_minor": self.minor}
        yield _text(rest).removeprefix(b"{\n") + b"\n"

    def _text_of(self, cell: dict[str, Any]) -> bytes:
        """Serialize a cell; texts are joined before masking and split into lines after it."""
        if cell.get("outputs"):
            cell = {**cell, "outputs": [self.hide(plain_output(output)) for output in cell["outputs"]]}
        return _text(_split_lines(cell)).replace(b"\n", b"\n  ")

    def _read_stored(self, cell: _StoredCell) -> Iterator[bytes]:
        store = self._store
        if store is None:
            raise AssertionError("stored cell without a store")
        store.seek(cell.offset)
        left = cell.size
        while left:
            block = store.read(min(left, _BLOCK))
            left -= len(block)
            yield block


def _open_store(folder: Path | None) -> IO[bytes]:
    """Open a file without a name; in TMPDIR where only the notebook, not its folder, can be written to.

    It has no buffer: on a full disk, each seek would write the buffer again and fail, so that no cell could be read.
    """
    from tempfile import TemporaryFile

    try:
        return TemporaryFile(dir=folder, prefix=".packmill-", buffering=0)
    except OSError as error:
        if folder is None or error.errno not in (errno.EROFS, errno.EACCES, errno.EPERM):
            raise
        return TemporaryFile(prefix=".packmill-", buffering=0)


def _append(store: IO[bytes], offset: int, data: bytes) -> None:
    """Write data at the end of a store, or nothing of it: a store without a buffer may write a part."""
    left = memoryview(data)
    try:
        while left:
            left = left[store.write(left) :]
    except OSError:
        store.truncate(offset)
        raise


_TRANSIENT = ("orig_nbformat", "orig_nbformat_minor", "signature")


def _text(value: Any) -> bytes:
    """Serialize like nbformat: sorted keys, indentation of one, non-ASCII characters unescaped."""
    return json_text(value, sort_keys=True)


def read_document(data: bytes, name: str) -> Document:
    """Read a notebook and convert it to nbformat 4.5; ``name`` is for messages.

    Cells without an id of their own get one derived from the notebook alone, so that two runs give the same ids.

    Raises:
        NotebookError: data is not a valid notebook.
    """
    read_notebook(data, name)  # for its messages
    raw = json.loads(decode_notebook(data, name))
    if raw["nbformat"] != 4:
        raw = _convert(raw, name)
    cells = [_join_lines(_normalize_cell(cell)) for cell in raw["cells"]]
    minor = raw.get("nbformat_minor", 0)
    if not isinstance(minor, int) or minor < 5:
        minor = 5
        for cell in cells:
            cell.pop("id", None)
    metadata = _mapping(raw.get("metadata"))
    metadata.pop(REMARKS_KEY, None)
    for key in ("papermill", "kernelspec", "language_info", "widgets"):
        if key in metadata and not isinstance(metadata[key], dict):
            del metadata[key]
    document = Document(cells, metadata, minor)
    found: set[str] = set()
    for index, cell in enumerate(cells):
        if not _is_id(cell.get("id")) or cell["id"] in found:  # merging notebooks duplicates ids
            cell["id"] = document.new_id(f"{index}\0{cell['source']}")
        found.add(cell["id"])
    return document


def _convert(raw: dict[str, Any], name: str) -> dict[str, Any]:
    import nbformat

    try:
        text = nbformat.writes(nbformat.convert(nbformat.from_dict(raw), 4))
    except Exception as error:  # noqa: BLE001 - nbformat raises many kinds of errors for invalid files
        cause = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise NotebookError(f"{name}: nbformat {raw['nbformat']} cannot be converted: {cause}") from None
    converted: dict[str, Any] = json.loads(text)
    return converted


def _mapping(value: Any) -> dict[str, Any]:
    return dict(value) if isinstance(value, dict) else {}


def _normalize_cell(cell: dict[str, Any]) -> dict[str, Any]:
    """Return a cell with parts of nbformat's types; parts of other types become empty."""
    kind = cell.get("cell_type")
    sound = {**cell, "cell_type": kind if isinstance(kind, str) else "raw", "metadata": _mapping(cell.get("metadata"))}
    metadata = sound["metadata"]
    metadata.pop(LINE_KEY, None)
    if "tags" in metadata and not isinstance(metadata["tags"], list):
        metadata["tags"] = []
    if not isinstance(metadata.get("papermill", {}), dict):
        del metadata["papermill"]
    sound.pop("outputs", None)
    if kind == "code":
        outputs = cell.get("outputs")
        sound["outputs"] = [one for one in outputs if _is_output(one)] if isinstance(outputs, list) else []
    attachments = sound.pop("attachments", None)
    if isinstance(attachments, dict):
        sound["attachments"] = {name: bundle for name, bundle in attachments.items() if isinstance(bundle, dict)}
    return sound


def _is_output(value: Any) -> bool:
    """Check for the parts of an output that are read here (nbformat 4, "Code cell outputs")."""
    if not isinstance(value, dict) or not isinstance(value.get("data", {}), dict):
        return False
    return value.get("output_type") != "stream" or isinstance(value.get("text"), (str, list))


def _is_id(value: Any) -> bool:
    """Check whether a value is a valid cell id (nbformat 4.5, "Cell ids")."""
    return isinstance(value, str) and re.fullmatch(r"[A-Za-z0-9_-]{1,64}", value) is not None


def _new_id(seed: str, taken: set[str]) -> str:
    number = 0
    while (identity := f"{crc32(seed.encode('utf-8', 'replace'), number):08x}") in taken:
        number += 1
    return identity


def _join_lines(cell: dict[str, Any]) -> dict[str, Any]:
    """Join texts that the file stores as lists of lines (nbformat, "Multi-line strings")."""
    cell["source"] = _join(cell.get("source", ""))
    for output in cell.get("outputs") or ():
        if "text" in output:
            output["text"] = _join(output["text"])
        _update_bundle(output.get("data"), lambda kind, value: value if _is_json(kind) else _join(value))
    for bundle in (cell.get("attachments") or {}).values():
        _update_bundle(bundle, lambda kind, value: value if _is_json(kind) else _join(value))
    return cell


def _update_bundle(bundle: Any, change: Callable[[str, Any], Any]) -> None:
    if isinstance(bundle, MutableMapping):
        for kind, value in bundle.items():
            bundle[kind] = change(kind, value)


def _join(value: Any) -> Any:
    return "".join(map(str, value)) if isinstance(value, list) else value


def _is_json(kind: str) -> bool:
    return kind == "application/json" or (kind.startswith("application/") and kind.endswith("+json"))


def _split_lines(cell: dict[str, Any]) -> dict[str, Any]:
    """Return a copy with texts as lists of lines, as nbformat writes them."""
    written = {**cell, "source": _lines(cell["source"])}
    if "trusted" in written["metadata"]:
        written["metadata"] = {key: value for key, value in written["metadata"].items() if key != "trusted"}
    if cell.get("attachments"):
        written["attachments"] = {name: _split_bundle(bundle) for name, bundle in cell["attachments"].items()}
    if "outputs" in cell:
        written["outputs"] = [_split_output(output) for output in cell["outputs"]]
    return written


def _split_output(output: dict[str, Any]) -> dict[str, Any]:
    if output.get("output_type") == "stream":
        return {**output, "text": _lines(str(output["text"]))}
    return {**output, "data": _split_bundle(output["data"])} if "data" in output else output


def _split_bundle(bundle: dict[str, Any]) -> dict[str, Any]:
    return {
        kind: _lines(value) if kind.startswith("text/") or kind in _SPLIT_KINDS else value
        for kind, value in bundle.items()
    }


def _lines(value: Any) -> Any:
    return value.splitlines(keepends=True) if isinstance(value, str) else value


def join_text(parts: Iterable[bytes]) -> str:
    """Join a document's pieces into a string."""
    return b"".join(parts).decode()
