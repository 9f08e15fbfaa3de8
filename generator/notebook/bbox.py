"""Bounding boxes in degrees, as in RFC 7946, section 5: west, south, east, north, or with heights of six numbers."""

from __future__ import annotations

import math
import re

from generator.notebook.parameters import Literal

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
_WEST, _EAST = -180, 360
"""Longitudes of data sets begin at -180 or at 0."""


def fit_bbox(value: Literal) -> tuple[Literal, str]:
    """Return a box as a list of numbers, and what is wrong with it, or ''; text has commas between the numbers."""
    text = value[0] if isinstance(value, list | tuple) and len(value) == 1 else value
    if isinstance(text, str):
        value = [_number(item) for item in text.strip().strip("[]()").split(",")]
    elif isinstance(value, list | tuple):
        value = type(value)(_number(item) for item in value)
    if not isinstance(value, list | tuple) or len(value) not in (4, 6):
        return None, "but a bounding box is four numbers, [west, south, east, north], or six with heights"
    numbers = [item for item in value if isinstance(item, int | float)]
    if len(numbers) != len(value):
        return None, "but a bounding box has finite numbers alone"
    return value, _problem(numbers)


def _number(item: Literal) -> Literal:
    if isinstance(item, str) and _NUMBER.fullmatch(item.strip()):
        plain = item.strip()
        item = int(plain) if re.fullmatch(r"[+-]?\d{1,15}", plain) else float(plain)
    if isinstance(item, bool):
        return None
    return item if isinstance(item, int) or (isinstance(item, float) and math.isfinite(item)) else None


def _problem(numbers: list[int | float]) -> str:
    half = len(numbers) // 2
    (west, south, *bottom), (east, north, *top) = numbers[:half], numbers[half:]
    if not all(_WEST <= one <= _EAST for one in (west, east)):
        return f"but west and east are longitudes, from {_WEST} to {_EAST} degrees"
    if not all(-90 <= one <= 90 for one in (south, north)):
        return "but south and north are latitudes, from -90 to 90 degrees"
    if south > north:
        return "whose south is north of its north; write it as [west, south, east, north]"
    return "whose lower height is above its upper one" if bottom > top else ""
