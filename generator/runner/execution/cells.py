"""Execution of a notebook's cells in order, with the tags and failures of nbclient and papermill."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol

from generator.runner.execution.outputs import Cell, Cells, Outputs, note_time
from generator.runner.execution.watching import ignore_signals
from generator.runner.kernels.messages import Message
from generator.runner.kernels.session import KernelGoneError, Session

_SKIP, _MAY_FAIL = "skip-execution", "raises-exception"
_INTERRUPT_TIMEOUT = 1.5
"""Seconds an interrupted cell has to clean up and print its traceback."""


class Listener(Protocol):
    """Receives the events of a run."""

    def start_cell(self, index: int, cell: Cell) -> None:
        """Handle the start of a cell of any type."""

    def finish_cell(self, index: int, cell: Cell, *, failed: bool) -> None:
        """Handle the end of a cell."""

    def output(self, output: dict[str, Any]) -> None:
        """Handle a new output."""

    def late_output(self, index: int, cell: Cell, output: dict[str, Any]) -> None:
        """Handle an output that arrived after the end of its cell, which has it already."""

    def warn(self, text: str) -> None:
        """Report a problem that does not end the run."""

    def tick(self) -> None:
        """Do periodic work while a cell runs."""


@dataclass(frozen=True, slots=True)
class Stop:
    """Why a run stopped at a cell, or should have; ``failed`` is False for ``sys.exit(0)``."""

    index: int
    at_once: bool
    failed: bool
    name: str
    value: str
    traceback: tuple[str, ...]


class CellRunner:
    """Executes the cells of one notebook in one kernel."""

    def __init__(
        self,
        cells: Cells,
        session: Session,
        listener: Listener,
        *,
        reveal: Callable[[int, str], str] = lambda _index, source: source,
        hide: Callable[[Mapping[str, Any]], dict[str, Any]] = dict,
        limit: float | None = None,
    ) -> None:
        """``reveal`` inserts secrets into a cell's source before execution, ``hide`` masks them in messages.

        ``limit`` is the time limit of a cell, in seconds.
        """
        self._cells = cells
        self._session = session
        self._listener = listener
        self._reveal = reveal
        self._hide = hide
        self._limit = limit
        self._current: int | None = None
        self.outputs = Outputs(
            cells, reply=lambda *message, **options: session.channels.send(session.channels.shell, *message, **options)
        )

    def run(self) -> Stop | None:
        """Run all cells until one stops the run; an error that a cell only displayed counts after the last cell.

        Raises:
            KernelGoneError: the kernel died in a cell.
            CellTooLongError: a cell exceeded the limit and was interrupted.
        """
        shown: Stop | None = None
        for index in range(len(self._cells)):
            self._listener.start_cell(index, self._cells.cell(index))
            failed = True
            self._current = index
            try:
                stop = self._run(index)
                failed = stop is not None and stop.at_once
            finally:
                self._current = None
                self._listener.finish_cell(index, self._cells.cell(index), failed=failed)
            if stop is not None and stop.at_once:
                return stop
            shown = shown or stop
        return shown

    def _run(self, index: int) -> Stop | None:
        cell = self._cells.cell(index)
        tags = cell["metadata"].get("tags") or ()
        if cell.get("cell_type") != "code" or not cell["source"].strip() or _SKIP in tags:
            return None
        cell["metadata"]["execution"] = {}
        try:
            reply = self._session.execute(
                self._reveal(index, cell["source"]),
                sent=lambda request: self.outputs.expect(request, index),
                take=self._take,
                tick=self._listener.tick,
                stop_on_error=_MAY_FAIL not in tags,
                limit=self._limit,
            )
        except KernelGoneError:
            raise
        except BaseException:
            ignore_signals()  # keep what the cell prints while it is interrupted
            self._session.interrupt(take=self._take, patience=_INTERRUPT_TIMEOUT)
            raise
        note_time(cell, reply)
        return None if _MAY_FAIL in tags else self._stop(index, cell, reply)

    def _take(self, message: Message) -> None:
        """Put a message into its cell; invalid messages are reported and never end the run."""
        try:
            new = self.outputs.take(replace(message, content=self._hide(message.content)))
        except (KeyError, TypeError, ValueError, AttributeError, IndexError, RecursionError) as error:
            self._listener.warn(f"a {message.kind} message of the kernel was ignored: {type(error).__name__}: {error}")
            return
        if new:
            self._listener.output(new)
            owner = self.outputs.owner(message)
            if owner is not None and owner != self._current:
                self._listener.late_output(owner, self._cells.cell(owner), new)

    def drain_output_until_exit(self, patience: float) -> bool:
        """Shut the kernel down, collecting its output; return whether it exited within ``patience`` seconds."""
        return self._session.request_shutdown(take=self._take, patience=patience)

    def _stop(self, index: int, cell: Cell, reply: Message) -> Stop | None:
        """Return the reason to stop, if any; a reply other than ``ok`` is a failure even without a traceback.

        Handlers such as rich's print a traceback of their own, and some kernels print nothing.
        """
        shown: dict[str, Any] = next((output for output in cell["outputs"] if output["output_type"] == "error"), {})
        if reply.content.get("status") == "ok" and not shown:
            return None
        error = {**self._hide(reply.content), **{key: value for key, value in shown.items() if value}}
        name, value = str(error.get("ename") or "error"), str(error.get("evalue") or "")
        left_well = name == "SystemExit" and value in ("", "0")
        traceback = tuple(map(str, error.get("traceback") or ()))
        at_once = reply.content.get("status") != "ok"
        return Stop(index=index, at_once=at_once, failed=not left_well, name=name, value=value, traceback=traceback)
