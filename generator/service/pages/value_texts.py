"""Values of runs as people read them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from generator.service.runs.comparison import Withheld
from generator.service.runs.comparison import value_text as comparison_text
from generator.shared.safe_text import printable


def short_values(values: Mapping[str, Any], *, most: int = 4, longest: int = 40) -> list[tuple[str, str]]:
    """Return the first values as short texts."""
    return [(name, value_text(value, longest=longest)) for name, value in list(values.items())[:most]]


def value_text(value: Any, *, longest: int = 4000) -> str:
    """Return a value as people read it: a file by its name or address, text as it is, the rest as JSON."""
    if isinstance(value, Withheld):
        return "given, not shown"
    text = printable(comparison_text(value), lines=True)
    return text if len(text) <= longest else f"{text[: longest - 1]}…"
