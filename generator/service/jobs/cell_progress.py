"""How far a job's notebook is, from the lines that the runner writes to the job's log."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from generator.service.jobs.trace_text import last_bytes, plain_text

_READ = 1 << 16
_CELL = re.compile(r"^[ \t]*cell (\d{1,6}) of (\d{1,6})(?:: |$)", re.MULTILINE)
"""``generator.runner.execution.progress`` writes it when a cell starts."""


@dataclass(frozen=True, slots=True)
class CellProgress:
    """The cell that runs, from 1, of a number of cells."""

    cell: int
    total: int


def cell_progress(trace: Path) -> CellProgress | None:
    """Return the progress of a running job; None before its first cell, and after a cell has printed very much."""
    found = _CELL.findall(plain_text(last_bytes(trace, _READ)))
    if not found:
        return None
    cell, total = map(int, found[-1])
    return CellProgress(cell, total) if 0 < cell <= total else None
