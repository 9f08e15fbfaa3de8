"""Runs one notebook: parameters into it, a kernel for it, its cells one by one, and what became of them."""

from __future__ import annotations

import os
import re
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from generator.parameters import Literal
from generator.runner.annotations import Annotations, mark_failure, prepare
from generator.runner.document import Document
from generator.runner.failures import (
    BadInputsError,
    CellTimeLimitError,
    KernelDiedError,
    KernelMissingError,
    OutOfMemoryError,
    ProcessFailedError,
)
from generator.runner.injection import find_translator, inject
from generator.runner.kernels.process import KernelProcess, new_connection
from generator.runner.kernels.specs import Kernel
from generator.runner.masking import Secrets, mask
from generator.runner.outputs import plain_output
from generator.runner.result import Record
from generator.runner.saving import Saver
from generator.runner.watching import oom_kills, settle

if TYPE_CHECKING:
    from generator.runner.cells import Stop

_LONGEST_GOODBYE = 5.0
"""Seconds that a kernel has to shut down after its last cell; then it is killed. After a failure it has less."""
_SHORT_GOODBYE = 1.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Task:
    """One notebook to run, in which kernel, with which parameters, and where the executed one is saved."""

    saver: Saver
    input_path: str
    output_path: str
    kernel: Kernel
    language: str
    parameters: Mapping[str, Literal]
    directory: Path
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
class Prints:
    """Where a run's progress goes: ``say`` one line; ``cells`` whether each cell is told."""

    say: Callable[[str], None]
    cells: bool = True


def execute(task: Task, record: Record, prints: Prints) -> None:
    """Runs the notebook; the executed one is saved, failed or not.

    Raises:
        BadInputsError: papermill cannot write the parameters in this language; no kernel was started.
        KernelMissingError: the kernel does not start.
        KernelDiedError, OutOfMemoryError: the kernel ended in the middle.
        CellTimeLimitError: a cell took longer than it may.
        ProcessFailedError: a cell failed; the message has the cell's number, the error and the failing line.
    """
    document = task.document
    secrets = Secrets({name: str(task.parameters[name]) for name in task.secret if name in task.parameters})
    record.parameters = {**task.parameters, **dict.fromkeys(secrets.placeholders, mask)}
    prepare(document, input_path=task.input_path, output_path=task.output_path, report_mode=task.report_mode)
    injected = _injected(task, secrets)
    document.hide = secrets.hide
    if task.prepare_only:
        task.saver.save(now=True)
        return
    progress = _Progress(task, record, prints, injected)
    killed_before = oom_kills()
    failure: ProcessFailedError | None = None
    with _kernel(task, secrets, record) as process:
        progress.annotations = Annotations(document)
        task.saver.save()
        try:
            with _told(progress, process, killed_before):
                stop = _run_cells(task, process, progress, secrets)
            if stop and stop.failed:
                failure = ProcessFailedError(_explain(stop, progress))
                mark_failure(document, stop.index)
        finally:
            settle()
            progress.annotations.complete()
            task.saver.save(now=True)
    if failure:
        if oom_kills() > killed_before and "MemoryError" not in str(failure):
            prints.say("warning: a process of the run was killed for want of memory")
        raise failure


def _injected(task: Task, secrets: Secrets) -> int | None:
    """Puts the parameters into the notebook; the index of the cell."""
    if not task.parameters:
        return None
    translator = find_translator(task.kernel.name, task.language)
    if translator is None:
        raise BadInputsError(f"{task.input_path}: papermill cannot write parameters in the language {task.language!r}")
    secrets.literal = translator.literal
    try:
        values = {**task.parameters, **secrets.placeholders}
        return inject(task.document, values, translator, report_mode=task.report_mode)
    except NotImplementedError as error:
        raise BadInputsError(f"{task.input_path}: a value cannot be written in {task.language}: {error}") from None


def _run_cells(task: Task, process: KernelProcess, progress: _Progress, secrets: Secrets) -> Stop | None:
    """From the kernel's first answer to its last cell."""
    from generator.runner.cells import CellRunner
    from generator.runner.kernels.session import Session

    session = Session(process)
    goodbye = _SHORT_GOODBYE
    try:
        info = session.wait_until_ready(task.start_timeout)
        runner = CellRunner(
            task.document,
            session,
            progress,
            reveal=secrets.reveal,
            hide=secrets.hide,
            limit=task.cell_time_limit,
        )
        try:
            stop = runner.run()
            goodbye = _LONGEST_GOODBYE
        finally:
            session.ask_to_end()
            _describe(task.document, info, runner.outputs.widget_state())
        return stop
    finally:
        session.end(patience=goodbye)


def _describe(document: Document, info: Mapping[str, Any], widgets: dict[str, Any] | None) -> None:
    if "language_info" in info:
        document.metadata["language_info"] = info["language_info"]
    if widgets:
        document.metadata["widgets"] = widgets


@contextmanager
def _kernel(task: Task, secrets: Secrets, record: Record) -> Iterator[KernelProcess]:
    """The kernel's process, started before anything else is imported; ended whatever happens."""
    runtime = _private_folder()
    try:
        with _log(secrets) as log:
            connection = new_connection(task.kernel, runtime)
            try:
                process = KernelProcess(
                    task.kernel, connection=connection, runtime=runtime, cwd=task.directory, log=log
                )
            except OSError as error:
                raise KernelMissingError(f"the kernel {task.kernel.name!r} cannot be started: {error}") from None
            try:
                yield process
            finally:
                process.end(patience=0)
                record.peak_memory = process.peak_memory
    finally:
        _remove(runtime)


def _private_folder() -> Path:
    """As `tempfile.mkdtemp` makes it, whose import alone would cost a hundredth of a short run."""
    folder = Path(os.environ.get("TMPDIR") or "/tmp", f"packmill-{os.urandom(8).hex()}")  # noqa: S108 - 64 random bits
    try:
        folder.mkdir(mode=0o700)
    except OSError:
        from tempfile import mkdtemp

        return Path(mkdtemp(prefix="packmill-"))
    return folder.absolute()


def _remove(folder: Path) -> None:
    try:
        for entry in os.scandir(folder):
            Path(entry).unlink()
        folder.rmdir()
    except OSError:
        from shutil import rmtree

        rmtree(folder, ignore_errors=True)


@contextmanager
def _log(secrets: Secrets) -> Iterator[int | None]:
    """Where a kernel prints what it does not send: stderr, and with secrets through a pipe that masks them."""
    if not secrets.placeholders:
        yield None
        return
    reading, writing = os.pipe()

    def pump() -> None:
        with os.fdopen(reading, encoding="utf-8", errors="replace") as stream:
            for line in stream:
                sys.stderr.write(secrets.hide(line))

    thread = threading.Thread(target=pump, daemon=True)
    thread.start()
    try:
        yield writing
    finally:
        os.close(writing)
        thread.join(timeout=1)


@contextmanager
def _told(progress: _Progress, process: KernelProcess, killed_before: int) -> Iterator[None]:
    """What happens to a kernel, in the runner's terms."""
    from generator.runner.kernels.session import CellTooLongError, KernelGoneError, NotReadyError

    name = process.kernel.name
    try:
        yield
    except CellTooLongError:
        limit = f"{progress.task.cell_time_limit:g} s"
        raise CellTimeLimitError(f"{progress.present} took longer than a cell's limit of {limit}") from None
    except NotReadyError:
        waited = f"{progress.task.start_timeout:g} s"
        raise KernelMissingError(f"the kernel {name!r} did not answer within {waited}") from None
    except KernelGoneError:
        if oom_kills() > killed_before:
            raise OutOfMemoryError(f"{progress.present}: the kernel was killed, the memory was used up") from None
        if not progress.present:
            raise KernelMissingError(f"the kernel {name!r} does not start: it {_ending(process)}") from None
        raise KernelDiedError(f"{progress.present}: the kernel {name!r} {_ending(process)}") from None


def _ending(process: KernelProcess) -> str:
    code = process.exit_code()
    if code is None:
        return "died"
    return f"was killed by signal {-code}" if code < 0 else f"ended by itself with code {code}"


@dataclass(slots=True)
class _Progress:
    """Tells, times and saves a run, cell by cell, in the numbers of the notebook as it is in the repository."""

    task: Task
    record: Record
    prints: Prints
    injected: int | None
    present: str = ""
    annotations: Annotations = field(init=False)
    _began: float = 0.0
    _saved: float = field(default_factory=time.monotonic)

    @property
    def total(self) -> int:
        """The cells of the notebook without the injected one."""
        return len(self.task.document) - (self.injected is not None)

    def number(self, index: int) -> int | None:
        """The cell's number in the repository's notebook, from 1; None for the injected cell."""
        if self.injected is None or index < self.injected:
            return index + 1
        return None if index == self.injected else index

    def started(self, index: int, cell: Any) -> None:
        """Before a cell."""
        self.annotations.started(cell)
        if cell["cell_type"] != "code":
            return
        self._began = time.monotonic()
        number = self.number(index)
        if number is None:
            self.present = "the injected parameters"
            told = f"parameters: {', '.join(self.task.parameters)}"  # names alone: a value may be a secret
        else:
            self.present = f"cell {number} of {self.total}"
            told = f"{self.present}: {_first_line(cell['source'])}"
        if self.prints.cells:
            self.prints.say(told)

    def ended(self, index: int, cell: Any, *, failed: bool) -> None:
        """After a cell, failed or not."""
        self.annotations.ended(cell, failed=failed)
        if cell["cell_type"] == "code":
            seconds = time.monotonic() - self._began
            self.record.cells.append({"cell": self.number(index), "seconds": round(seconds, 3)})
            if seconds >= 1 and self.prints.cells:
                self.prints.say(f"    took {seconds:.1f} s")
            self.record.scraps.take(index, cell)
        self.task.saver.settle(index)
        self.task.saver.save()

    def output(self, output: dict[str, Any]) -> None:
        """Copies what is printed to where it was asked for."""
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
            self.prints.say(text.rstrip("\n"))

    def tick(self) -> None:
        """Saves in a long cell."""
        now = time.monotonic()
        if self.task.autosave and now - self._saved >= self.task.autosave:
            self._saved = now
            self.task.saver.save()


def _first_line(source: str) -> str:
    line = next((line.strip() for line in source.splitlines() if line.strip() and not line.strip().startswith("#")), "")
    return line if len(line) <= 70 else line[:67] + "..."


def _explain(stop: Stop, progress: _Progress) -> str:
    number = progress.number(stop.index)
    where = f"cell {number}" if number else "the injected parameters"
    value = re.sub(r"\x1b\[[0-9;]*m", "", stop.value)
    source = progress.task.document.cell(stop.index)["source"]
    failing = _failing_line(stop, source)
    return f"{where} failed: {stop.name}: {value}" + (f"\n  line {failing[0]}: {failing[1]}" if failing else "")


def _failing_line(stop: Stop, source: str) -> tuple[int, str] | None:
    """The line of the cell at which it failed, from the arrow of IPython's traceback."""
    plain = re.sub(r"\x1b\[[0-9;]*m", "", "\n".join(stop.traceback))
    lines = source.splitlines()
    for arrow in re.finditer(r"^-+> (\d+) (.*)$", plain, re.MULTILINE):
        line = int(arrow[1])
        if 1 <= line <= len(lines) and lines[line - 1].strip() == arrow[2].strip():
            return line, arrow[2].strip()
    return None
