"""Records that a notebook may have written: read with bounds, so that any content can be stored and shown."""

from __future__ import annotations

import json
import math
import os
from functools import partial
from pathlib import Path
from typing import Any

from generator.shared.regular_files import is_missing, open_regular_file

_LARGEST = 16 << 20
"""Bytes of a record that is read."""
_LARGEST_VALUE = 64 << 10
"""Characters of JSON that a value may have in the table of results."""
LARGEST_RECORD = 1 << 20
"""Characters of all values of a row."""
_MOST_VALUES = 1000
_DEEPEST = 50
_LARGEST_NUMBER = 1e15
"""Seconds or bytes: more than any run has, and few enough to calculate with."""
_LONGEST_TEXT = 4000
"""Characters of a message."""


def read_object(path: Path) -> dict[str, Any]:
    """Return a JSON object from a regular file; empty without one, or if the file is too large.

    Raises:
        OSError: the file exists, but cannot be read at present.
    """
    try:
        with open_regular_file(path, follow_links=False) as file:
            document = presentable(json.loads(file.read(_LARGEST)))
    except OSError as error:
        if is_missing(error):
            return {}
        raise
    except (ValueError, RecursionError):
        return {}
    return document if isinstance(document, dict) else {}


def is_too_large(path: Path) -> bool:
    """Return whether `read_object` returns nothing of a file because of its size."""
    try:
        with open_regular_file(path, follow_links=False) as file:
            return os.fstat(file.fileno()).st_size > _LARGEST
    except OSError:
        return False


def small_values(record: dict[str, Any], most: int = LARGEST_RECORD) -> dict[str, Any]:
    """Return the values of a record that fit into a table, with ``most`` characters in total."""
    kept, left = {}, most
    for name, value in list(record.items())[:_MOST_VALUES]:
        length = len(name) + len(json.dumps(value))
        if length <= min(_LARGEST_VALUE, left):
            kept[name] = value
            left -= length
    return kept


def presentable(value: Any, depth: int = _DEEPEST, *, finite: bool = True) -> Any:
    """Return a value as JSON and UTF-8 can have it: not a number, infinity and what is nested too deep become null.

    Without ``finite``, which is for values of users, not a number and infinity stay.
    """
    if isinstance(value, str):
        return value if value.isascii() else value.encode("utf-8", "replace").decode()
    if isinstance(value, float):
        return value if math.isfinite(value) or not finite else None
    within = partial(presentable, depth=depth - 1, finite=finite)
    if isinstance(value, list):
        return [within(item) for item in value] if depth else None
    if isinstance(value, dict):
        return {presentable(name): within(item) for name, item in value.items()} if depth else None
    return value


def text(value: Any) -> str | None:
    """Return a text of bounded length; None for anything else."""
    return str(presentable(value[:_LONGEST_TEXT])) if isinstance(value, str) else None


def number(value: Any) -> float | None:
    """Return a number from 0 to what a run can measure; None for anything else."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if is_number and 0 <= value < _LARGEST_NUMBER else None


def whole_number(value: Any) -> int | None:
    """Return a whole number from 0 to what a run can measure; None for anything else."""
    return value if type(value) is int and 0 <= value < _LARGEST_NUMBER else None
