"""The type that another tool derives from a literal: unlike in a parameters cell, an integer is an int."""

from __future__ import annotations

from generator.notebook.parameters import CwlType, Hint, Literal, Missing


def hint_of_scalar(value: Literal | Missing) -> Hint | None:
    """Return the type of a number, a boolean or a text; None for other values."""
    if isinstance(value, bool):
        return Hint(type=CwlType.BOOLEAN)
    if isinstance(value, int):
        return Hint(type=CwlType.INT)
    if isinstance(value, float):
        return Hint(type=CwlType.FLOAT)
    return Hint(type=CwlType.STRING) if isinstance(value, str) else None
