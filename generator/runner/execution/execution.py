"""The run of one notebook: inject parameters, start a kernel, run the cells, save the results."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from generator.runner.document.annotations import Annotations, mark_failure, prepare
from generator.runner.document.document import Document
from generator.runner.document.injection import choose_translator, inject, record_parameters
from generator.runner.document.placing import place
from generator.runner.execution.progress import Progress, explain
from generator.runner.execution.task import ProgressOutput, Task
from generator.runner.execution.watching import deferred_signals, ignore_signals, oom_kills
from generator.runner.kernels.process import KernelProcess, new_connection
from generator.runner.kernels.runtime import KernelLog, private_path
from generator.runner.results.result import RunRecord
from generator.shared.failures import (
    BadInputsError,
    CellTimeLimitError,
    KernelDiedError,
    KernelMissingError,
    OutOfMemoryError,
    ProcessFailedError,
)
from generator.shared.masking import Secrets, mask

if TYPE_CHECKING:
    from generator.runner.execution.cells import Stop
    from generator.runner.kernels.interfaces import KernelSession, Process

_SHUTDOWN_TIMEOUT = 5.0
"""Seconds a kernel has to shut down after its last cell before it is killed; less after a failure."""
_SHUTDOWN_TIMEOUT_AFTER_FAILURE = 1.0


class StartedKernel(Protocol):
    """A kernel's process that was just started, and the way to talk to it."""

    @property
    def process(self) -> Process:
        """The process."""

    def connect(self) -> KernelSession:
        """Return a session; its modules are imported while the process starts."""


Start = Callable[[Task, KernelLog, Path], StartedKernel]
"""Starts a kernel: the task, the log for output outside its channels, a path for a private folder."""


def execute(task: Task, record: RunRecord, console: ProgressOutput, *, start: Start | None = None) -> None:
    """Run the notebook and save the executed one, even after a failure. ``start`` starts the kernel.

    Raises:
        BadInputsError: parameters cannot be written in this language; no kernel is started.
        KernelMissingError: the kernel cannot be started.
        KernelDiedError, OutOfMemoryError: the kernel died before the last cell ended.
        CellTimeLimitError: a cell exceeded its time limit.
        ProcessFailedError: a cell failed; the message has the cell's number, the error and the failing line.
    """
    document = task.document
    public = {name: value for name, value in task.parameters.items() if name not in task.secret}
    given = {name: task.parameters[name] for name in task.secret if name in task.parameters}
    secrets = Secrets(given, others=public)
    record.parameters = {**task.parameters, **dict.fromkeys(secrets.placeholders, mask)}
    prepare(document, input_path=task.input_path, output_path=task.output_path, report_mode=task.report_mode)
    injected = _inject_parameters(task, secrets)
    document.hide = secrets.hide_content
    if task.prepare_only:
        task.saver.save(now=True)
        return
    progress = Progress(task, record, console, injected, secrets=bool(secrets.placeholders))
    killed_before = oom_kills()
    failure: ProcessFailedError | None = None
    with _start_kernel(task, secrets, record, start or start_cold) as kernel:
        progress.annotations = Annotations(document)
        progress.save()
        try:
            with _kernel_errors_as_failures(progress, kernel.process, killed_before):
                stop = _run_cells(task, kernel, progress, secrets)
            if stop and stop.failed:
                failure = ProcessFailedError(explain(stop, progress))
                mark_failure(document, stop.index)
        finally:
            ignore_signals()
            progress.annotations.finish_run()
            task.saver.save_at_the_end()
    if failure:
        if oom_kills() > killed_before and "MemoryError" not in str(failure):
            console.say("warning: a process of the run was killed because memory ran out")
        raise failure


def _inject_parameters(task: Task, secrets: Secrets) -> int | None:
    """Inject the parameters into the notebook and return the index of the injected cell."""
    if not task.parameters and task.placement is None:
        return None
    translator = choose_translator(task.document, task.kernel.name, task.language)
    if translator is None:
        raise BadInputsError(f"{task.input_path}: parameters cannot be written in the language {task.language!r}")
    secrets.literal = translator.literal
    try:
        translator.cell(task.parameters)  # a secret that the language cannot write is refused before the run
        values = {**task.parameters, **secrets.placeholders}
        record_parameters(task.document, values)
        if task.placement:
            return place(task.document, values, translator, task.placement, report_mode=task.report_mode)
        return inject(task.document, values, translator, report_mode=task.report_mode)
    except NotImplementedError as error:
        raise BadInputsError(f"{task.input_path}: a value cannot be written in {task.language}: {error}") from None


def _cells_with_secrets(task: Task, injected: int | None) -> frozenset[int]:
    """Return the indexes of the cells into which the run wrote placeholders of secrets."""
    edits = task.placement.edits if task.placement else ()
    edited = {edit.cell - 1 for edit in edits if edit.parameter in task.secret}
    if injected is None:
        return frozenset(edited)
    return frozenset({injected, *(index + (index >= injected) for index in edited)})


def _run_cells(task: Task, kernel: StartedKernel, progress: Progress, secrets: Secrets) -> Stop | None:
    """Wait for the kernel, run the cells, and shut the kernel down."""
    from generator.runner.execution.cells import CellRunner
    from generator.runner.kernels.sos import front_end
    from generator.runner.kernels.traits import find_traits

    session = connect(kernel)
    try:
        info = session.wait_until_ready(task.start_timeout)
        traits = find_traits(info)
        if traits.unready_version:
            session.wait_for_language_version(task.start_timeout, other_than=traits.unready_version)
        with_secrets = _cells_with_secrets(task, progress.injected)
        runner = CellRunner(
            task.document,
            session,
            progress,
            reveal=lambda index, source: secrets.reveal(source) if index in with_secrets else source,
            hide=secrets.hide_content,
            limit=task.cell_time_limit,
            traits=traits,
            front_end=front_end(info, task.document.metadata),
        )
        timeout = _SHUTDOWN_TIMEOUT_AFTER_FAILURE
        try:
            stop = runner.run()
            timeout = _SHUTDOWN_TIMEOUT
        finally:
            if not runner.drain_output_until_exit(timeout) and timeout == _SHUTDOWN_TIMEOUT:
                progress.warn(f"the kernel did not shut down within {timeout:g} s and was killed: code still runs")
            _write_metadata(task.document, info, secrets.hide_data(runner.outputs.widget_state()))
            progress.recollect_scraps(runner.outputs.updated)
        stop = stop or runner.late_failure()
        if not (stop and stop.failed):
            session.check_losses()
        return stop
    finally:
        session.end()


def connect(kernel: StartedKernel) -> KernelSession:
    """Return a session of a kernel.

    The first one in a process imports pyzmq. A signal that interrupts this leaves it imported in part, and all later
    runs of the process would fail.
    """
    with deferred_signals():
        return kernel.connect()


def _write_metadata(document: Document, info: Mapping[str, Any], widgets: dict[str, Any] | None) -> None:
    if isinstance(info.get("language_info"), dict):
        document.metadata["language_info"] = info["language_info"]
    if widgets:
        document.metadata["widgets"] = widgets


@contextmanager
def _start_kernel(task: Task, secrets: Secrets, record: RunRecord, start: Start) -> Iterator[StartedKernel]:
    """Start the kernel before further imports, and end it on exit."""
    hide = secrets.hide if secrets.placeholders else None
    with private_path() as runtime, closing(KernelLog(hide)) as log:
        try:
            kernel = start(task, log, runtime)
        except OSError as error:
            raise KernelMissingError(f"kernel {task.kernel.name!r}: cannot be started: {error}") from None
        try:
            yield kernel
        finally:
            kernel.process.end()
            record.peak_memory = kernel.process.peak_memory


@dataclass(frozen=True, slots=True)
class _ColdKernel:
    """A kernel in a process of its own."""

    process: KernelProcess

    def connect(self) -> KernelSession:
        from generator.runner.kernels.session import Session

        return Session(self.process)


def start_cold(task: Task, log: KernelLog, runtime: Path, *, ends_with_parent: bool = False) -> StartedKernel:
    """Start a kernel in a process of its own; with ``ends_with_parent``, it is killed when this thread ends.

    Raises:
        OSError: the kernel's program cannot be started.
    """
    runtime.mkdir(mode=0o700)
    connection = new_connection(task.kernel, runtime)
    return _ColdKernel(
        KernelProcess(
            task.kernel,
            connection=connection,
            runtime=runtime,
            cwd=task.directory,
            log=log.descriptor(transport=connection.transport),
            ends_with_parent=ends_with_parent,
        )
    )


@contextmanager
def _kernel_errors_as_failures(progress: Progress, process: Process, killed_before: int) -> Iterator[None]:
    """Raise a kernel's errors as failures of the run."""
    from generator.runner.kernels.endings import CellTooLongError, KernelGoneError, NotReadyError, OutputLostError

    name = process.kernel.name
    try:
        yield
    except CellTooLongError:
        limit = f"{progress.task.cell_time_limit:g} s"
        raise CellTimeLimitError(f"{progress.current_cell} exceeded the cell time limit of {limit}") from None
    except OutputLostError:
        raise ProcessFailedError(
            f"the kernel {name!r} dropped output, which was printed faster than it was read; "
            "print less, or write it to a file"
        ) from None
    except NotReadyError:
        waited = f"{progress.task.start_timeout:g} s"
        raise KernelMissingError(f"kernel {name!r}: no answer within {waited}") from None
    except KernelGoneError:
        if oom_kills() > killed_before:
            raise OutOfMemoryError(f"{progress.current_cell}: the kernel was killed because memory ran out") from None
        if not progress.current_cell:
            raise KernelMissingError(f"kernel {name!r}: cannot start: it {_describe_exit(process)}") from None
        raise KernelDiedError(f"{progress.current_cell}: the kernel {name!r} {_describe_exit(process)}") from None


def _describe_exit(process: Process) -> str:
    code = process.exit_code()
    if code is None:
        return "died"
    return f"was killed by signal {-code}" if code < 0 else f"exited with code {code}"
