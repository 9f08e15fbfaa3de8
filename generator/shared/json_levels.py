"""JSON with a bounded number of lists and objects in each other."""

from __future__ import annotations

import json
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
    if text.count("[") + text.count("{") > deepest:
        _check_depth(value)
    return value


def _check_depth(value: Any) -> None:
    level = [value]
    for _ in range(deepest):
        inner = (item for one in level for item in (one.values() if isinstance(one, dict) else one))
        level = [item for item in inner if isinstance(item, list | dict)]
        if not level:
            return
    raise RecursionError
