"""Saves the executed notebook while it runs: often enough to lose little, seldom enough to cost little.

papermill writes the whole notebook twice a cell, so that the cost grows with the square of the cells. Here a save waits
until twenty times as long has passed as the last one took, at least a second; the last one always happens. Each is
written beside its place and renamed into it, so that what is there after a ``kill -9`` is whole.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

_AT_LEAST = 1.0
_SHARE = 20


class Saver:
    """Writes one notebook to one place."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._next = 0.0

    def save(self, nb: Any, *, now: bool = False) -> None:
        """Writes the notebook when it is time to, or ``now``."""
        started = time.monotonic()
        if not now and started < self._next:
            return
        import nbformat

        text = nbformat.writes(nb)
        beside = self.path.with_name(f".{self.path.name}.saving")
        beside.write_text(text if text.endswith("\n") else text + "\n", encoding="utf-8")
        beside.replace(self.path)
        ended = time.monotonic()
        self._next = ended + max(_AT_LEAST, _SHARE * (ended - started))
