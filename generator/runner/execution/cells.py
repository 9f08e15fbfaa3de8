"""Execution of a notebook's cells in order, with the tags and failures of nbclient and papermill."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol

from generator.runner.execution.failures import EXIT, Failure, Failures, describe_error
from generator.runner.execution.outputs import Cell, Cells, Outputs, note_time
from generator.runner.execution.silence import Silence
from generator.runner.execution.watching import ignore_signals
from generator.runner.kernels.endings import NO_REPLY, KernelGoneError
from generator.runner.kernels.interfaces import KernelSession
from generator.runner.kernels.messages import ExecuteRequest, Message
from generator.runner.kernels.sos import FrontEnd
from generator.runner.kernels.traits import Traits, find_traits_of_language

_SKIP, _MAY_FAIL = "skip-execution", "raises-exception"
_INTERRUPT_TIMEOUT = 1.5
"""Seconds an interrupted cell has to clean up and print its traceback."""
_GRACE = 0.5
"""Seconds that a process which never ends by itself has after its reply to the shutdown request."""
_AFTER_ABORT = 0.1
"""Seconds until a cell that a kernel refused is sent again, and how often."""
_ABORTS = 50


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

    @property
    def is_exit(self) -> bool:
        """Whether the cell left the kernel on purpose, without an error in the notebook."""
        return not self.failed and self.name == EXIT.name


class CellRunner:
    """Executes the cells of one notebook in one kernel."""

    def __init__(
        self,
        cells: Cells,
        session: KernelSession,
        listener: Listener,
        *,
        reveal: Callable[[int, str], str] = lambda _index, source: source,
        hide: Callable[[Mapping[str, Any]], dict[str, Any]] = dict,
        limit: float | None = None,
        traits: Traits | None = None,
        front_end: FrontEnd | None = None,
    ) -> None:
        """``reveal`` inserts secrets into a cell's source before execution, ``hide`` masks them in messages.

        ``limit`` is the time limit of a cell, in seconds; ``traits`` are the kernel's, and
        ``front_end`` adds to the requests of a kernel that needs it.
        """
        self._cells = cells
        self._session = session
        self._listener = listener
        self._reveal = reveal
        self._hide = hide
        self._limit = limit
        self._front_end = front_end
        self._current: int | None = None
        self._failures = Failures(traits or Traits(), session, take=self._take)
        self._inner: dict[str, Failures] = {}
        """The failures of each language in SoS."""
        self._languages: dict[int, str] = {}
        """The languages of cells in SoS."""
        self._silence = Silence(session.process.process_id)
        self.outputs = Outputs(cells, reply=session.send_to_shell)

    def run(self) -> Stop | None:
        """Run all cells until one stops the run; an error that a cell only displayed counts after the last cell.

        Raises:
            KernelGoneError: the kernel died in a cell.
            CellTooLongError: a cell exceeded the limit and was interrupted.
        """
        shown: Stop | None = None
        if self._failures.traits.warning:
            self._listener.warn(self._failures.traits.warning)
        self._failures.prepare()
        for index in range(len(self._cells)):
            self._listener.start_cell(index, self._cells.cell(index))
            failed = True
            self._current = index
            try:
                stop = self._run(index) or self.late_failure()
                failed = stop is not None and stop.at_once and not stop.is_exit
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
            reply = self._execute(index, cell["source"], may_fail=_MAY_FAIL in tags)
        except KernelGoneError:
            raise
        except BaseException:
            ignore_signals()  # keep what the cell prints while it is interrupted
            self._session.interrupt(take=self._take, patience=_INTERRUPT_TIMEOUT)
            raise
        note_time(cell, reply)
        stop = self._stop(index, cell, reply)
        if stop is not None and _MAY_FAIL in tags:
            self._failures_of(index).prepare()
            return None
        return stop

    def _execute(self, index: int, source: str, *, may_fail: bool) -> Message:
        """Run a cell; one that the kernel refuses because an earlier one failed is sent again."""
        fields = self._front_end.prepare(self._cells.cell(index), self._ask) if self._front_end else None
        if self._front_end and fields:
            self._enter_language(index, *self._front_end.judge(self._cells.cell(index)))
        request = ExecuteRequest(
            code=self._reveal(index, source),
            sent=lambda request_id: self.outputs.expect(request_id, index),
            take=self._take,
            tick=self._tick,
            stop_on_error=not may_fail,
            limit=self._limit,
            fields=fields,
        )
        for _ in range(_ABORTS):
            self._silence.end()
            reply = self._session.execute(request)
            if not self._failures.traits.aborts_after_failure or reply.content.get("status") != "abort":
                break
            time.sleep(_AFTER_ABORT)
        return reply

    def _enter_language(self, index: int, language: str, fields: Mapping[str, Any]) -> None:
        """Make failures of a cell's language visible before its first cell in SoS."""
        self._languages[index] = language
        if language not in self._inner:
            traits = find_traits_of_language(language)
            self._inner[language] = Failures(traits, self._session, take=self._take, fields=fields)
            self._inner[language].prepare()

    def _failures_of(self, index: int) -> Failures:
        return self._inner.get(self._languages.get(index, ""), self._failures)

    def _tick(self) -> None:
        self._listener.tick()
        if self._limit is None and self._silence.is_suspicious():
            self._listener.warn(
                f"no output for {self._silence.seconds:g} s, and the kernel uses no processor time; if the cell waits "
                "for nothing, it may never end: --execution-timeout SECONDS sets a time limit"
            )

    def _ask(self, code: str, fields: Mapping[str, Any]) -> bool:
        """Run code of the front end, whose output belongs to no cell, and return whether it was successful."""
        options = {"silent": True, "store_history": False, **fields}
        request = ExecuteRequest(code=code, take=self._take, tick=self._listener.tick, fields=options)
        reply = self._session.execute(request)
        return bool(reply.content.get("status") == "ok")

    def _take(self, message: Message) -> None:
        """Put a message into its cell; invalid messages are reported and never end the run."""
        self._silence.end()
        try:
            new = self.outputs.take(self._shown(message))
        except (KeyError, TypeError, ValueError, AttributeError, IndexError, RecursionError) as error:
            self._listener.warn(f"a {message.kind} message of the kernel was ignored: {type(error).__name__}: {error}")
            return
        if new:
            self._listener.output(new)
            owner = self.outputs.owner(message)
            if owner is not None and owner != self._current:
                self._listener.late_output(owner, self._cells.cell(owner), new)

    def _shown(self, message: Message) -> Message:
        """Return a message as the notebook shows it: without secrets, marks of failures, and questions in its count."""
        owner = self.outputs.owner(message)
        if owner is not None:
            message = self._failures_of(owner).notice(owner, message)
        content = self._hide(message.content)
        questions = sum(failures.questions for failures in (self._failures, *self._inner.values()))
        if questions and isinstance(content.get("execution_count"), int):
            content = {**content, "execution_count": content["execution_count"] - questions}
        return replace(message, content=content)

    def drain_output_until_exit(self, patience: float) -> bool:
        """Shut the kernel down, collecting its output; return whether it exited within ``patience`` seconds.

        Of a kernel that never exits by itself, the reply to the shutdown request is enough.
        """
        grace = _GRACE if self._failures.traits.lingers else None
        return self._session.request_shutdown(take=self._take, patience=patience, grace=grace)

    def late_failure(self) -> Stop | None:
        """Return a failure that showed after the end of its cell."""
        every = (self._failures, *self._inner.values())
        while late := next(filter(None, (failures.late() for failures in every)), None):
            index, failure = late
            cell = self._cells.cell(index)
            stop = self._failed(index, cell, failure)
            if _MAY_FAIL not in (cell["metadata"].get("tags") or ()):
                return stop
        return None

    def _stop(self, index: int, cell: Cell, reply: Message) -> Stop | None:
        """Return the reason to stop, if any; a reply other than ``ok`` is a failure even without a traceback.

        Handlers such as rich's print a traceback of their own, and some kernels print nothing.
        """
        failures = self._failures_of(index)
        traits = failures.traits
        shown: dict[str, Any] = next((output for output in cell["outputs"] if output["output_type"] == "error"), {})
        is_ok = reply.content.get("status") == "ok"
        if is_ok and not shown:
            noticed = failures.find(index, reply)
            return self._failed(index, cell, noticed) if noticed else None
        if failures.forget(index) == EXIT:  # the kernel misses what it was connected to
            return self._failed(index, cell, EXIT)
        error = {**self._hide(reply.content), **{key: value for key, value in shown.items() if value}}
        failure = describe_error(error, cell, unnamed=traits.error_name, hide=self._hide)
        lines = error.get("traceback")
        traceback = tuple(map(str, lines)) if isinstance(lines, list) else ()
        if not shown and (not traits.shows_errors or reply.kind == NO_REPLY):
            return self._failed(index, cell, failure, traceback)
        left_well = failure.name == "SystemExit" and failure.value in ("", "0")
        return Stop(index, not is_ok, not left_well, failure.name, failure.value, traceback)

    def _failed(self, index: int, cell: Cell, failure: Failure, traceback: tuple[str, ...] = ()) -> Stop:
        """Stop at a cell whose failure the kernel did not publish, and add it to the outputs; `EXIT` is a success.

        Front ends and papermill show nothing of an error but its traceback.
        """
        failed = failure != EXIT
        lines = [*traceback] or [f"{failure.name}: {failure.value}"]
        error = self._hide({"ename": failure.name, "evalue": failure.value, "traceback": lines})
        if failed:
            cell["outputs"].append({"output_type": "error", **error})
        return Stop(index, at_once=True, failed=failed, name=error["ename"], value=error["evalue"], traceback=())
