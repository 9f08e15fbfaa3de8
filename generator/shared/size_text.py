"""Numbers of bytes as people read them."""

from __future__ import annotations


def size_text(count: int | None) -> str:
    """Format a number of bytes, such as ``1.5 MB``; None is 0."""
    number = float(count or 0)
    for unit in ("B", "kB", "MB"):
        if number < 1000:
            return f"{number:.0f} {unit}" if unit == "B" or number >= 10 else f"{number:.1f} {unit}"
        number /= 1000
    return f"{number:.1f} GB"
