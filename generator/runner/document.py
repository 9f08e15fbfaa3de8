"""The notebook while it runs: read once, written as often as is wanted, its finished cells kept on disk.

The text is byte for byte what nbformat writes (nbformat 4.5). A cell that is done is turned into text at once and put
into a file without a name beside the notebook, so that neither memory nor a save's cost grows with what was printed.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, MutableMapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any
from zlib import crc32

from generator.notebook import decode_notebook, read_notebook

_SPLIT_KINDS = ("application/javascript", "image/svg+xml")
_BLOCK = 1024**2


@dataclass(frozen=True, slots=True)
class _Stored:
    """A finished cell in the file without a name: where its text begins, and its bytes."""

    offset: int
    size: int


class Document:
    """A notebook of nbformat 4.5; ``cells`` are reached by `cell`."""

    def __init__(self, cells: list[dict[str, Any]], metadata: dict[str, Any], minor: int) -> None:
        self.metadata = metadata
        self.minor = minor
        self.hide: Callable[[Any], Any] = lambda content: content
        self._cells: list[dict[str, Any] | _Stored] = list(cells)
        self._kept: set[int] = set()
        self._store: IO[bytes] | None = None
        self._ids = {str(cell.get("id")) for cell in cells}

    def __len__(self) -> int:
        return len(self._cells)

    def cell(self, index: int) -> dict[str, Any]:
        """The cell; one that lies on disk is brought back."""
        cell = self._cells[index]
        if isinstance(cell, _Stored):
            cell = self._cells[index] = _joined(json.loads(b"".join(self._stored(cell))))
        return cell

    def new_id(self, seed: str) -> str:
        """A cell id of eight characters (nbformat 4.5, "Cell ids") that follows from ``seed`` and is not taken."""
        identity = _new_id(seed, self._ids)
        self._ids.add(identity)
        return identity

    def keep(self, index: int) -> None:
        """The cell stays in memory, because something holds on to its outputs."""
        self._kept.add(index)

    def insert(self, index: int, cell: dict[str, Any]) -> None:
        """Puts a cell before the one at ``index``."""
        self._cells.insert(index, cell)
        self._kept = {at + 1 if at >= index else at for at in self._kept}

    def remove(self, index: int) -> None:
        """Takes a cell out; only before anything has run."""
        del self._cells[index]

    def replace(self, index: int, cell: dict[str, Any]) -> None:
        """Puts a cell in place of another."""
        self._cells[index] = cell

    def settle(self, index: int, beside: Path | None) -> None:
        """The cell is done: its text goes to a file in the folder ``beside`` that vanishes with the process."""
        cell = self._cells[index]
        if index in self._kept or isinstance(cell, _Stored) or beside is None or not cell.get("outputs"):
            return
        if self._store is None:
            from tempfile import TemporaryFile

            self._store = TemporaryFile(dir=beside, prefix=".packmill-")  # noqa: SIM115 - lives as long as the document
        text = self._text_of(cell)
        offset = self._store.seek(0, 2)
        self._store.write(text)
        self._cells[index] = _Stored(offset, len(text))

    def text(self) -> Iterator[bytes]:
        """The file, in pieces."""
        yield b"{\n"
        between = b' "cells": [\n  '
        for cell in self._cells:
            yield between
            if isinstance(cell, _Stored):
                yield from self._stored(cell)
            else:
                yield self._text_of(cell)
            between = b",\n  "
        yield b"\n ],\n" if self._cells else b' "cells": [],\n'
        metadata = {key: value for key, value in self.metadata.items() if key not in _TRANSIENT}
        rest = {"metadata": self.hide(metadata), "nbformat": 4, "nbformat_minor": self.minor}
        yield _text(rest).removeprefix(b"{\n") + b"\n"

    def _text_of(self, cell: dict[str, Any]) -> bytes:
        return _text(self.hide(_split(cell))).replace(b"\n", b"\n  ")

    def _stored(self, cell: _Stored) -> Iterator[bytes]:
        store = self._store
        if store is None:
            raise AssertionError("a stored cell has a store")
        store.seek(cell.offset)
        left = cell.size
        while left:
            block = store.read(min(left, _BLOCK))
            left -= len(block)
            yield block


_TRANSIENT = ("orig_nbformat", "orig_nbformat_minor", "signature")


def _text(value: Any) -> bytes:
    """As nbformat writes: keys in order, an indentation of one, other scripts as they are."""
    return json_text(value, sort_keys=True)


def json_text(value: Any, *, sort_keys: bool = False) -> bytes:
    """JSON for people to read, in UTF-8; half a surrogate pair, which UTF-8 does not have, stands there escaped."""
    try:
        text = json.dumps(value, ensure_ascii=False, indent=1, sort_keys=sort_keys, default=str)
        return text.encode()
    except UnicodeEncodeError:
        return json.dumps(value, indent=1, sort_keys=sort_keys, default=str).encode()


def read_document(data: bytes, name: str) -> Document:
    """The notebook in ``data``, brought to nbformat 4.5; ``name`` is for messages.

    Cells without an id get one that depends on the notebook alone, so that two runs give the same.

    Raises:
        NotebookError: it is no notebook.
    """
    read_notebook(data, name)  # for its messages
    raw = json.loads(decode_notebook(data, name))
    if raw["nbformat"] < 4:
        raw = _converted(raw)
    cells = [_joined(cell) for cell in raw["cells"]]
    minor = raw.get("nbformat_minor", 0)
    if not isinstance(minor, int) or minor < 5:
        minor = 5
        for cell in cells:
            cell.pop("id", None)
    document = Document(cells, dict(raw.get("metadata") or {}), minor)
    for index, cell in enumerate(cells):
        if not isinstance(cell.get("id"), str):
            cell["id"] = document.new_id(f"{index}\0{cell['source']}")
    return document


def _converted(raw: dict[str, Any]) -> dict[str, Any]:
    import nbformat

    converted: dict[str, Any] = json.loads(nbformat.writes(nbformat.convert(nbformat.from_dict(raw), 4)))
    return converted


def _new_id(seed: str, taken: set[str]) -> str:
    number = 0
    while (identity := f"{crc32(seed.encode('utf-8', 'replace'), number):08x}") in taken:
        number += 1
    return identity


def _joined(cell: dict[str, Any]) -> dict[str, Any]:
    """Texts that the file has line by line, as one (nbformat, "Multi-line strings")."""
    cell["source"] = _one(cell.get("source", ""))
    cell["metadata"] = dict(cell.get("metadata") or {})
    for output in cell.get("outputs") or ():
        if "text" in output:
            output["text"] = _one(output["text"])
        for bundle in (output.get("data"),):
            _change(bundle, lambda kind, value: value if _is_json(kind) else _one(value))
    for bundle in (cell.get("attachments") or {}).values():
        _change(bundle, lambda kind, value: value if _is_json(kind) else _one(value))
    return cell


def _change(bundle: Any, change: Callable[[str, Any], Any]) -> None:
    if isinstance(bundle, MutableMapping):
        for kind, value in bundle.items():
            bundle[kind] = change(kind, value)


def _one(value: Any) -> Any:
    return "".join(map(str, value)) if isinstance(value, list) else value


def _is_json(kind: str) -> bool:
    return kind == "application/json" or (kind.startswith("application/") and kind.endswith("+json"))


def _split(cell: dict[str, Any]) -> dict[str, Any]:
    """A copy with texts line by line, as nbformat writes them."""
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


def text_of(parts: Iterable[bytes]) -> str:
    """The whole text of a document."""
    return b"".join(parts).decode()
