"""Durations, sizes and numbers as operators write them: ``7d``, ``90s``, ``10G``, ``4``."""

from __future__ import annotations

import argparse
import re

_QUANTITY = re.compile(r"(\d+(?:\.\d+)?)\s*([A-Za-z]*)")
_SECONDS = {"": 1, "s": 1, "m": 60, "min": 60, "h": 3600, "d": 86_400, "w": 604_800}
_BYTES = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}
_LONGEST = 1e9
_LARGEST = 2**63
"""Bytes: more than a file can have."""


def duration(text: str) -> float:
    """Parse a duration into seconds: a number with ``s``, ``m``, ``h``, ``d`` or ``w``.

    Raises:
        ArgumentTypeError: the text is not a duration.
    """
    found = _QUANTITY.fullmatch(text.strip())
    unit = _SECONDS.get(found[2].lower()) if found else None
    if found is None or unit is None or float(found[1]) * unit > _LONGEST:
        raise argparse.ArgumentTypeError(f"{text!r} is not a duration; write for instance 90s, 30m, 12h or 7d")
    return float(found[1]) * unit


def lifetime(text: str) -> float:
    """Parse the lifetime of a token into seconds, with the form of `duration`.

    Raises:
        ArgumentTypeError: the text is not a duration, or is 0, which other options take for no limit.
    """
    seconds = duration(text)
    if not seconds:
        raise argparse.ArgumentTypeError(f"{text!r}: the token would have expired; give a longer time")
    return seconds


def time_limit(text: str) -> float | None:
    """Parse a time limit into seconds; 0 means none.

    Raises:
        ArgumentTypeError: the text is not a duration.
    """
    return duration(text) or None


def size(text: str) -> int:
    """Parse a size into bytes: a number with ``K``, ``M``, ``G`` or ``T``, which are powers of 1024.

    Raises:
        ArgumentTypeError: the text is not a size.
    """
    found = _QUANTITY.fullmatch(text.strip())
    unit = _BYTES.get(re.sub(r"i?b$", "", found[2].lower())) if found else None
    if found is None or unit is None or float(found[1]) * unit >= _LARGEST:
        raise argparse.ArgumentTypeError(f"{text!r} is not a size; write for instance 500M or 10G")
    return int(float(found[1]) * unit)


def positive(text: str) -> int:
    """Parse a whole number of at least 1.

    Raises:
        ArgumentTypeError: the text is not one.
    """
    number = count(text)
    if number < 1:
        raise argparse.ArgumentTypeError("at least 1 is needed")
    return number


def count(text: str) -> int:
    """Parse a whole number.

    Raises:
        ArgumentTypeError: the text is not one.
    """
    try:
        number = int(text)
    except ValueError:
        number = -1
    if not 0 <= number < 10**9:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number")
    return number
