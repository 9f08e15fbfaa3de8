"""Patterns of declared outputs, as the author of a process means them.

``*``, ``?`` and ``**`` are wildcards, as in Python's ``glob``. Brackets are ambiguous: ``temperature [K].png`` is a
name, ``tile_[0-9].tif`` a pattern. So a pattern with brackets has several readings, of which the first that matches
counts: all brackets as text, then only clear sets such as ``[0-9]`` as sets, then all brackets as sets.
"""

from __future__ import annotations

import re
from collections.abc import Callable

_SET = re.compile(r"\[(?P<members>!?\]?[^\]/]*)\]")
"""A set of characters in brackets, within one segment of a path (Python's ``fnmatch``)."""
_RANGES = re.compile(r"[0-9]-[0-9]|[a-z]-[a-z]|[A-Z]-[A-Z]")


def alternatives(pattern: str) -> tuple[str, ...]:
    """Return the patterns to try in order, in the syntax of Python's ``glob``."""
    readings = (_escape_sets(pattern, lambda _: True), _escape_sets(pattern, lambda one: not _is_clear(one)), pattern)
    return tuple(dict.fromkeys(readings))


def has_wildcard(pattern: str) -> bool:
    """Check whether a pattern may match several files."""
    sets = [match["members"] for match in _SET.finditer(pattern)]
    return re.search(r"[*?]", _SET.sub("", pattern)) is not None or not all(map(_is_text, sets))


def ambiguous_sets(pattern: str) -> tuple[str, ...]:
    """Return the brackets of a pattern, such as ``[K]``, that are read as text first."""
    return tuple(match[0] for match in _SET.finditer(pattern) if not _is_clear(match["members"]))


def _escape_sets(pattern: str, is_escaped: Callable[[str], bool]) -> str:
    """Write brackets as text: ``[[]K]`` for ``[K]``."""
    return _SET.sub(lambda match: f"[[]{match[0][1:]}" if is_escaped(match["members"]) else match[0], pattern)


def _is_clear(members: str) -> bool:
    """Check whether brackets can only mean a set: they negate, hold a range, or escape a wildcard."""
    is_range = any(match[0][0] < match[0][2] for match in _RANGES.finditer(members))
    return is_range or members in ("*", "?", "[") or (members.startswith("!") and len(members) > 1)


def _is_text(members: str) -> bool:
    """Check whether brackets make no sense as a set of several characters, such as ``[K]``, ``[m s-1]`` or ``[mm]``."""
    is_nonsense = " " in members or len(set(members)) < len(members)
    return len(members) < 2 or (is_nonsense and not _is_clear(members))
