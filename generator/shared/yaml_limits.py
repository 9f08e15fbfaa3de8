"""Limits on YAML and JSON from others: size, depth, and the number of values that aliases expand to.

Standard library only: packmill passes the events of ruamel.yaml, the runner those of PyYAML.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from io import TextIOWrapper
from pathlib import Path
from typing import Any

from generator.shared.json_levels import has_more_levels
from generator.shared.regular_files import open_regular_file

largest_text = 16 * 1024**2
"""Characters of a document."""
most_values = 1_000_000
"""Values of a document, each counted as often as aliases repeat it, and a long text as several then."""
_CHARACTERS_OF_A_VALUE = 16
deepest = 100
"""Lists and mappings inside one another."""
_LONGEST_NUMBER = 3_500
"""Characters of a number: Python writes none with more than 4,300 digits, and ``1:59:59`` takes quadratic time."""
_NUMBER = re.compile(r"[-+]?[0-9][0-9a-fA-FxXoO_:.]*")


class YamlLimitError(ValueError):
    """The document exceeds a limit."""


@dataclass(slots=True)
class _Node:
    """An open or finished list or mapping: its anchor, how many values it expands to, and how deep it is."""

    anchor: str | None
    size: int = 1
    height: int = 1


def read_text(path: Path) -> str:
    """Read a file in UTF-8; of a file that is too long, only as much as `check_size` refuses.

    Raises:
        OSError, UnicodeDecodeError: the file cannot be read, or is not a regular file.
    """
    with TextIOWrapper(open_regular_file(path), encoding="utf-8-sig") as file:
        return file.read(largest_text + 1)


def check_size(text: str) -> None:
    """Refuse a text that is too long to parse.

    Raises:
        YamlLimitError: the text has more than `largest_text` characters.
    """
    if len(text) > largest_text:
        raise YamlLimitError(f"it is longer than the limit of {largest_text} characters")


def check_events(events: Iterable[Any]) -> None:
    """Refuse a document by its parser's events, before a loader expands it.

    Raises:
        YamlLimitError: the document is too deep, its aliases expand to too many values, a value contains itself, or a
            number is too long.
    """
    finished: dict[str, _Node] = {}
    stack = [_Node(anchor=None, height=0)]
    total = 0
    for event in events:
        kind = type(event).__name__
        if kind in ("SequenceStartEvent", "MappingStartEvent"):
            stack.append(_Node(anchor=event.anchor))
            total += 1
        elif kind in ("SequenceEndEvent", "MappingEndEvent"):
            node = stack.pop()
            _add(stack[-1], node)
            if node.anchor:
                finished[node.anchor] = node
        elif kind == "ScalarEvent":
            _check_number(event)
            leaf = _Node(anchor=event.anchor, size=1 + len(event.value) // _CHARACTERS_OF_A_VALUE, height=0)
            _add(stack[-1], leaf)
            if event.anchor:
                finished[event.anchor] = leaf
            total += 1
        elif kind == "AliasEvent":
            total += _add_alias(event.anchor, stack, finished)
        if total > most_values:
            raise YamlLimitError(f"it has more than {most_values} values once its aliases are expanded")
        _check_height(len(stack) - 1 + max(0, stack[-1].height - 1))


def _check_number(event: Any) -> None:
    if len(event.value) > _LONGEST_NUMBER and (event.tag or not event.style) and _NUMBER.fullmatch(event.value):
        raise YamlLimitError(f"it has a number of more than {_LONGEST_NUMBER} characters")


def _add_alias(anchor: str, stack: list[_Node], finished: dict[str, _Node]) -> int:
    if any(node.anchor == anchor for node in stack):
        raise YamlLimitError(f"the value &{anchor} contains itself")
    node = finished.get(anchor) or _Node(anchor=anchor)  # an unknown anchor is for the loader to report
    _add(stack[-1], node)
    return node.size


def _add(parent: _Node, child: _Node) -> None:
    parent.size += child.size
    parent.height = max(parent.height, child.height + 1)


def check_depth(value: Any) -> None:
    """Refuse a value of JSON that is nested too deeply for what reads it next.

    Raises:
        YamlLimitError: the value is more than `deepest` levels deep.
    """
    if has_more_levels(value, deepest):
        _check_height(deepest + 1)


def _check_height(height: int) -> None:
    if height > deepest:
        raise YamlLimitError(f"it is nested more than {deepest} levels deep")
