"""One run: notebook, kernel, parameters, and where results go."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from generator.notebook.placement import Placement
from generator.runner.document.document import Document
from generator.runner.document.saving import Saver
from generator.runner.kernels.specs import Kernel


@dataclass(frozen=True, kw_only=True, slots=True)
class Task:
    """One notebook to run: its kernel, its parameters, and where the executed notebook is saved."""

    saver: Saver
    input_path: str
    output_path: str
    kernel: Kernel
    language: str
    parameters: Mapping[str, Any]
    directory: Path
    placement: Placement | None = None
    """Where the parameters go in a notebook of another tool's dialect."""
    secret: tuple[str, ...] = ()
    prepare_only: bool = False
    report_mode: bool = False
    cell_time_limit: float | None = None
    start_timeout: float = 60
    autosave: float = 30
    log_output: bool = False
    stdout: TextIO | None = None
    stderr: TextIO | None = None

    @property
    def document(self) -> Document:
        """The notebook."""
        return self.saver.document


@dataclass(slots=True)
class ProgressOutput:
    """Progress reports of a run: ``say`` prints a line; ``cells`` reports every cell.

    ``on_cell`` is called before each cell with its number, from 1, and the number of cells.
    """

    say: Callable[[str], None]
    cells: bool = True
    on_cell: Callable[[int, int], None] | None = None
