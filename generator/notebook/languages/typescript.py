"""Read a TypeScript parameters cell: JavaScript with types."""

from __future__ import annotations

from generator.notebook.languages import javascript
from generator.notebook.parameters import Reading


def read(source: str) -> Reading:
    """Read the literal assignments of a TypeScript cell."""
    return javascript.read(source, name="TypeScript")
