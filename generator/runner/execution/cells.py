"""Runs the cells of a notebook in order, with the tags and the failures that nbclient and papermill know."""

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
"""Seconds that an interrupted cell has to clean up and to print its traceback."""


class Listener(Protocol):
    """What is told of a run as it goes on."""

    def start_cell(self, index: int, cell: Cell) -> None:
        """A cell begins, of whichever kind."""

    def finish_cell(self, index: int, cell: Cell, *, failed: bool) -> None:
        """It has ended."""

    def output(self, output: dict[str, Any]) -> None:
        """There is a new output."""

    def warn(self, text: str) -> None:
        """Something went wrong that need not end the run."""

    def tick(self) -> None:
        """Some time has passed."""


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
    """Runs the cells of one notebook in one kernel."""

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
        """``reveal`` turns a cell's source into what the kernel runs, ``hide`` masks in messages what no one may read.

        ``limit`` is the longest that a cell may take, in seconds.
        """
        self._cells = cells
        self._session = session
        self._listener = listener
        self._reveal = reveal
        self._hide = hide
        self._limit = limit
        self.outputs = Outputs(
            cells, reply=lambda *message, **options: session.channels.send(session.channels.shell, *message, **options)
        )

    def run(self) -> Stop | None:
        """Runs until the end or until a cell stops it; an error that a cell only showed counts at the end.

        Raises:
            KernelGoneError: the kernel died in a cell.
            CellTooLongError: a cell ran past the limit; it is interrupted.
        """
        shown: Stop | None = None
        for index in range(len(self._cells)):
            self._listener.start_cell(index, self._cells.cell(index))
            failed = True
            try:
                stop = self._run(index)
                failed = stop is not None and stop.at_once
            finally:
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
            ignore_signals()  # what the cell says while it is stopped goes into the notebook, too
            self._session.interrupt(take=self._take, patience=_INTERRUPT_TIMEOUT)
            raise
        note_time(cell, reply)
        return None if _MAY_FAIL in tags else self._stop(index, cell, reply)

    def _take(self, message: Message) -> None:
        """Puts a message into its cell; what a notebook sends can never end the run."""
        try:
            new = self.outputs.take(replace(message, content=self._hide(message.content)))
        except (KeyError, TypeError, ValueError, AttributeError, IndexError, RecursionError) as error:
            self._listener.warn(f"a {message.kind} message of the kernel is left out: {type(error).__name__}: {error}")
            return
        if new:
            self._listener.output(new)

    def drain_output_until_exit(self, patience: float) -> bool:
        """Asks the kernel to end and takes what it says until it is gone; whether it went within ``patience`` s."""
        return self._session.request_shutdown(take=self._take, patience=patience)

    def _stop(self, index: int, cell: Cell, reply: Message) -> Stop | None:
        """A reply that is not ``ok`` is a failure, whether or not the kernel showed a traceback.

        Handlers such as rich's print a traceback of their own, and some kernels print nothing.
        """
        shown: dict[str, Any] = next((output for output in cell["outputs"] if output["output_type"] == "error"), {})
        if reply.content.get("status") == "ok" and not shown:
            return None
        told = {**self._hide(reply.content), **{key: value for key, value in shown.items() if value}}
        name, value = str(told.get("ename") or "error"), str(told.get("evalue") or "")
        left_well = name == "SystemExit" and value in ("", "0")
        traceback = tuple(map(str, told.get("traceback") or ()))
        at_once = reply.content.get("status") != "ok"
        return Stop(index=index, at_once=at_once, failed=not left_well, name=name, value=value, traceback=traceback)
