"""Progress of a run: reports, times and saves, cell by cell."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from generator.runner.document.annotations import Annotations
from generator.runner.document.streams import plain_output
from generator.runner.execution.task import ProgressOutput, Task
from generator.runner.results.result import RunRecord
from generator.shared.failures import BadInputsError
from generator.shared.passing_errors import is_full_disk, may_pass

if TYPE_CHECKING:
    from generator.runner.execution.cells import Stop


@dataclass(slots=True)
class Progress:
    """Reports, times and saves a run; cells have the numbers of the repository's notebook."""

    task: Task
    record: RunRecord
    console: ProgressOutput
    injected: int | None
    secrets: bool = False
    current_cell: str = ""
    annotations: Annotations = field(init=False)
    _began: float = 0.0
    _saved: float = field(default_factory=time.monotonic)

    @property
    def total(self) -> int:
        """The cells of the notebook without the injected one."""
        return len(self.task.document) - (self.injected is not None)

    def number(self, index: int) -> int | None:
        """Return the cell's number in the repository's notebook, from 1; None for the injected cell."""
        if self.injected is None or index < self.injected:
            return index + 1
        return None if index == self.injected else index

    def start_cell(self, index: int, cell: Any) -> None:
        """Report the start of a cell."""
        self.annotations.start_cell(cell)
        if cell["cell_type"] != "code":
            return
        self._began = time.monotonic()
        number = self.number(index)
        if number is None:
            self.current_cell = "the injected parameters"
            line = f"parameters: {', '.join(self.task.parameters)}"  # names only: values may be secret
        else:
            self.current_cell = f"cell {number} of {self.total}"
            line = f"{self.current_cell}: {_first_line(cell['source'])}"
            if self.console.on_cell:
                self.console.on_cell(number, self.total)
        if self.console.cells:
            self.console.say(line)

    def finish_cell(self, index: int, cell: Any, *, failed: bool) -> None:
        """Record, report and save a cell that ended."""
        self.annotations.finish_cell(cell, failed=failed)
        if cell["cell_type"] == "code":
            seconds = time.monotonic() - self._began
            self.record.cells.append({"cell": self.number(index), "seconds": round(seconds, 3)})
            if seconds >= 1 and self.console.cells:
                self.console.say(f"    took {seconds:.1f} s")
            masked = self._mask_outputs(cell)
            self.record.scraps.take(index, masked)
            for output in masked["outputs"] if self.secrets else ():
                self._copy(output)
        self.task.saver.store_cell(index)
        self.save()

    def late_output(self, index: int, cell: Any, output: dict[str, Any]) -> None:  # noqa: ARG002 - a listener's
        """Record the scraps of an output that arrived after the end of its cell."""
        self.record.scraps.take(index, self._mask_outputs({"outputs": [output]}))

    def save(self) -> None:
        """Save during the run; failures are warnings, since the next save may succeed; a full disk ends the run."""
        try:
            self.task.saver.save()
        except BadInputsError as error:
            self.warn(str(error))
        except OSError as error:
            if is_full_disk(error) or not may_pass(error):
                raise
            self.warn(f"the executed notebook is not saved at the moment: {error}")

    def recollect_scraps(self, indexes: Iterable[int]) -> None:
        """Read scraps again from cells whose displays were updated later."""
        for index in sorted(indexes):
            self.record.scraps.take(index, self._mask_outputs(self.task.document.cell(index)), again=True)

    def _mask_outputs(self, cell: Any) -> dict[str, Any]:
        hide = self.task.document.hide
        return {**cell, "outputs": [hide(plain_output(output)) for output in cell.get("outputs") or ()]}

    def output(self, output: dict[str, Any]) -> None:
        """Copy an output to the requested files and the log.

        With secrets, copying waits for the cell's end: a secret printed in pieces can only be masked as a whole.
        """
        if not self.secrets:
            self._copy(output)

    def warn(self, text: str) -> None:
        """Report a problem that does not end the run."""
        self.console.say(f"warning: {text}")

    def _copy(self, output: dict[str, Any]) -> None:
        task = self.task
        kind, text = output["output_type"], ""
        if kind == "stream":
            text = str(plain_output(output)["text"])
            copy = task.stdout if output["name"] == "stdout" else task.stderr
            if copy:
                copy.write(text)
                copy.flush()
        elif kind in ("display_data", "execute_result"):
            text = str(output["data"].get("text/plain", ""))
        if task.log_output and text:
            self.console.say(text.rstrip("\n"))

    def tick(self) -> None:
        """Save during a long cell."""
        now = time.monotonic()
        if self.task.autosave and now - self._saved >= self.task.autosave:
            self._saved = now
            self.save()


def _first_line(source: str) -> str:
    line = next((line.strip() for line in source.splitlines() if line.strip() and not line.strip().startswith("#")), "")
    return line if len(line) <= 70 else line[:67] + "..."


def explain(stop: Stop, progress: Progress) -> str:
    """Describe the failure of a cell: cell, error, and failing line."""
    number = progress.number(stop.index)
    where = f"cell {number}" if number else "the injected parameters"
    value = re.sub(r"\x1b\[[0-9;]*m", "", stop.value)
    source = progress.task.document.cell(stop.index)["source"]
    failing = _failing_line(stop, source)
    return f"{where} failed: {stop.name}: {value}" + (f"\n  line {failing[0]}: {failing[1]}" if failing else "")


def _failing_line(stop: Stop, source: str) -> tuple[int, str] | None:
    """Find the line at which the cell failed, from the arrow in IPython's traceback."""
    plain = re.sub(r"\x1b\[[0-9;]*m", "", "\n".join(stop.traceback))
    lines = source.splitlines()
    for arrow in re.finditer(r"^-+> (\d{1,9}) (.*)$", plain, re.MULTILINE):
        line = int(arrow[1])
        if 1 <= line <= len(lines) and lines[line - 1].strip() == arrow[2].strip():
            return line, arrow[2].strip()
    return None
