"""Write the tag and the types into a notebook's file as insertions, in the format of the file."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from generator.notebook.notebook import decode_notebook, encoding_of
from generator.process.annotation.json_places import Value, items, member, members, places_in_string, top_value
from generator.shared.errors import NotebookError

_TAG = '"parameters"'


@dataclass(frozen=True, kw_only=True, slots=True, order=True)
class Insertion:
    """Text to insert before the character with this index."""

    index: int
    text: str


def insert(text: str, insertions: Iterable[Insertion]) -> str:
    """Return the text with all insertions."""
    parts: list[str] = []
    position = 0
    for one in sorted(insertions):
        parts += (text[position : one.index], one.text)
        position = one.index
    return "".join((*parts, text[position:]))


def change_cell(data: bytes, name: str, number: int, *, tagged: bool, hints: Iterable[Insertion]) -> bytes:
    """Return a notebook's file with the tag on a cell, if requested, and with insertions into its source.

    Raises:
        NotebookError: the file is not nbformat 4 or in a form that cannot be changed without a trace.
    """
    text, encoding = decode_notebook(data, name), encoding_of(data)
    if text.encode(encoding) != data:
        raise NotebookError(f"{name}: a file in {encoding.upper()} cannot be changed here; save it as UTF-8")
    top = top_value(text)
    cells = member(text, top, "cells")
    if cells is None:
        raise NotebookError(f"{name}: an outdated nbformat; open the notebook in Jupyter, save it, and try again")
    cell = list(items(text, cells))[number - 1]
    changes = list(_in_file(text, cell, name, hints))
    if tagged:
        changes.append(_tag(text, cell, name, unit=_unit(text, top)))
    return insert(text, changes).encode(encoding)


def _in_file(text: str, cell: Value, name: str, insertions: Iterable[Insertion]) -> Iterator[Insertion]:
    """Translate insertions into the source of a cell to those into the file."""
    source = member(text, cell, "source")
    if source is None:
        raise NotebookError(f"{name}: a cell has no source")
    strings = [source] if text[source.start] == '"' else list(items(text, source))
    waiting, begin = deque(sorted(insertions)), 0
    for string in strings:
        end = begin + len(json.loads(text[string.start : string.end]))
        within = []
        while waiting and (waiting[0].index < end or string is strings[-1]):
            within.append(waiting.popleft())
        places = places_in_string(text, string, [one.index - begin for one in within])
        for one, place in zip(within, places, strict=True):
            yield Insertion(index=place, text=json.dumps(one.text)[1:-1])
        begin = end
    if waiting:
        raise NotebookError(f"{name}: the source of a cell is empty")


def _unit(text: str, top: Value) -> str:
    """Return the indentation of one level; empty in a file on one line."""
    space = next(members(text, top)).space
    return space.rpartition("\n")[2] if "\n" in space else ""


def _tag(text: str, cell: Value, name: str, *, unit: str) -> Insertion:
    metadata = member(text, cell, "metadata")
    if metadata is None or text[metadata.start] != "{":
        raise NotebookError(f"{name}: a cell has no metadata; open the notebook in Jupyter, save it, and try again")
    tags = member(text, metadata, "tags")
    if tags is None:
        return _new_list(text, metadata, unit)
    if text[tags.start] != "[":
        raise NotebookError(f"{name}: the tags of a cell are not a list; open the notebook in Jupyter and set them")
    existing = list(items(text, tags))
    if existing:
        return Insertion(index=existing[-1].end, text=f",{existing[-1].space}{_TAG}")
    return Insertion(index=tags.start + 1, text=_TAG if "\n" not in tags.space else _lines(tags.space, unit, _TAG))


def _new_list(text: str, metadata: Value, unit: str) -> Insertion:
    """Add the list of tags to the metadata of a cell, in the order of the keys if they have one."""
    existing = list(members(text, metadata))
    if not existing:
        is_split = "\n" in metadata.space
        inner = metadata.space + unit if is_split else ""
        content = f'"tags"{metadata.colon}{_list(inner, unit)}'
        return Insertion(index=metadata.start + 1, text=_lines(metadata.space, unit, content) if is_split else content)
    content = f'"tags"{existing[0].colon}{_list(existing[-1].space, unit)}'
    keys = [one.key for one in existing]
    later = next((one for one in existing if one.key > "tags"), None) if keys == sorted(keys) else None
    if later is not None:
        return Insertion(index=later.key_start, text=f"{content},{later.space or existing[-1].space}")
    return Insertion(index=existing[-1].end, text=f",{existing[-1].space}{content}")


def _list(space: str, unit: str) -> str:
    return f"[{_lines(space, unit, _TAG)}]" if "\n" in space else f"[{_TAG}]"


def _lines(space: str, unit: str, content: str) -> str:
    """Put content on a line of its own, one level below a key that has this white space before it."""
    return f"{space}{unit}{content}{space}"
