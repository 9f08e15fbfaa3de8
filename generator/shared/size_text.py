"""Numbers of bytes as people read them."""

from __future__ import annotations

import math
import re

_UNITS = {"": 1, "B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}
_UNITS |= {"KIB": 2**10, "MIB": 2**20, "GIB": 2**30, "TIB": 2**40}


def size_text(count: int | None) -> str:
    """Format a number of bytes, such as ``1.5 MB``; None is 0, and a number beyond those of computers infinite."""
    try:
        number = float(count or 0)
    except OverflowError:
        number = math.inf
    for unit in ("B", "kB", "MB"):
        if number < 1000:
            return f"{number:.0f} {unit}" if unit == "B" or number >= 10 else f"{number:.1f} {unit}"
        number /= 1000
    return f"{number:.1f} GB"


def read_size(text: str) -> int:
    """Read a number of bytes, such as ``1.5 GB`` or ``100GiB``.

    Raises:
        ValueError: the text is not an amount.
    """
    found = re.fullmatch(r"\s*(\d{1,15}(?:\.\d{1,6})?)\s*([A-Za-z]{0,3})\s*", text)
    if found is None or found[2].upper() not in _UNITS:
        raise ValueError(f"{text!r}: not an amount of space; write it as 100GB")
    return int(float(found[1]) * _UNITS[found[2].upper()])
