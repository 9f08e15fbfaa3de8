"""JSON with a bounded number of lists and objects in each other."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

deepest = 200
"""Levels: nbformat and other programs in Python read some hundred."""


def read_json(text: str) -> Any:
    """Parse JSON.

    Raises:
        ValueError: the text is not JSON.
        RecursionError: it has more than `deepest` levels.
    """
    value = json.loads(text)
    if text.count("[") + text.count("{") > deepest and has_more_levels(value, deepest):
        raise RecursionError
    return value


def has_more_levels(value: Any, most: int) -> bool:
    """Return whether a value of JSON has more than ``most`` lists and objects in each other."""
    level = [value]
    for _ in range(most):
        inner = (item for one in level for item in _items(one))
        level = [item for item in inner if isinstance(item, list | dict)]
        if not level:
            return False
    return True


def _items(value: Any) -> Iterable[Any]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()
