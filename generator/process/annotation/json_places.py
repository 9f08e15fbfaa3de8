"""Find where the parts of a JSON text are, so that text can be inserted between them.

The text is valid JSON: it has been parsed before.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

_SPACE = re.compile(r"[ \t\r\n]*")
_STRING = r'"[^"\\]*(?:\\.[^"\\]*)*"'
_SCALAR = re.compile(rf"{_STRING}|[^\s,\]}}]+")
_STRUCTURE = re.compile(rf"{_STRING}|[\[\]{{}}]")
_CHARACTER = re.compile(
    r"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|\\u[0-9a-fA-F]{4}|\\.|.", re.DOTALL
)
"""A character of a string as JSON writes it; two escapes are one beyond the Basic Multilingual Plane."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Value:
    """A value in the text; ``space`` is the white space before it, or before the key that it has."""

    start: int
    end: int
    space: str = ""
    key: str = ""
    key_start: int = 0
    colon: str = ": "


def top_value(text: str) -> Value:
    """Return the value that the whole text is."""
    start = _skip_space(text, 0)
    return Value(start=start, end=_end_of(text, start))


def members(text: str, owner: Value) -> Iterator[Value]:
    """Yield the values of an object with their keys."""
    position = owner.start + 1
    while text[(start := _skip_space(text, position))] != "}":
        key_end = _end_of(text, start)
        value = _skip_space(text, _skip_space(text, key_end) + 1)
        end = _end_of(text, value)
        yield Value(
            start=value,
            end=end,
            space=text[position:start],
            key=json.loads(text[start:key_end]),
            key_start=start,
            colon=text[key_end:value],
        )
        position = _after_comma(text, end)


def items(text: str, owner: Value) -> Iterator[Value]:
    """Yield the values of an array."""
    position = owner.start + 1
    while text[(start := _skip_space(text, position))] != "]":
        end = _end_of(text, start)
        yield Value(start=start, end=end, space=text[position:start])
        position = _after_comma(text, end)


def member(text: str, owner: Value, key: str) -> Value | None:
    """Return the value of a key; of several, the last one, as Python's parser does."""
    return next((one for one in reversed(list(members(text, owner))) if one.key == key), None)


def places_in_string(text: str, string: Value, indexes: Sequence[int]) -> list[int]:
    """Return where the characters with these indexes, in ascending order, begin in the text of a JSON string."""
    last = string.end - 1
    starts = enumerate(match.start() for match in _CHARACTER.finditer(text, string.start + 1, last))
    number, start = -1, last
    places = []
    for index in indexes:
        while number < index:
            number, start = next(starts, (index, last))
        places.append(start)
    return places


def _skip_space(text: str, position: int) -> int:
    match = _SPACE.match(text, position)
    return match.end() if match else position


def _after_comma(text: str, position: int) -> int:
    comma = _skip_space(text, position)
    return comma + 1 if text[comma] == "," else position


def _end_of(text: str, start: int) -> int:
    if text[start] not in "[{":
        match = _SCALAR.match(text, start)
        return match.end() if match else start
    depth = 0
    for match in _STRUCTURE.finditer(text, start):
        depth += {"[": 1, "{": 1, "]": -1, "}": -1}.get(match[0], 0)
        if depth == 0:
            return match.end()
    return len(text)
