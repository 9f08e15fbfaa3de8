"""Read a zsh parameters cell, whose plain assignments are those of bash."""

from __future__ import annotations

from generator.notebook.languages import bash
from generator.notebook.parameters import Reading


def read(source: str) -> Reading:
    """Read the literal assignments of a zsh cell."""
    return bash.read(source, name="zsh")
