"""Runs one notebook by papermill: its parameters, its engine, the kernel of the image."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from generator.parameters import Literal
from generator.runner.failures import (
    BadInputsError,
    CellTimeLimitError,
    KernelDiedError,
    KernelMissingError,
    OutOfMemoryError,
    ProcessFailedError,
)
from generator.runner.kernels import Kernel
from generator.runner.masking import Secrets, mask
from generator.runner.result import Record
from generator.runner.saving import Saver
from generator.runner.watching import oom_kills

if TYPE_CHECKING:
    from generator.runner.engine import KernelRun

_papermill_languages = {"r": "R", "c#": ".net-csharp", "f#": ".net-fsharp", "powershell": ".net-powershell"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Task:
    """One notebook to run: its text, the name it has in the repository, and where the executed one goes."""

    text: str
    name: str
    output: Path
    kernel: Kernel
    language: str
    parameters: Mapping[str, Literal]
    directory: Path
    secret: tuple[str, ...] = ()
    cell_time_limit: float | None = None


def can_inject(kernel: Kernel, language: str) -> bool:
    """Whether papermill can write parameters in this language."""
    from papermill.exceptions import PapermillException
    from papermill.translators import papermill_translators

    try:
        papermill_translators.find_translator(kernel.name, papermill_language(language))
    except PapermillException:
        return False
    return True


def papermill_language(language: str) -> str:
    """papermill's own name of a language."""
    return _papermill_languages.get(language.lower(), language)


def execute(task: Task, record: Record, *, say: Callable[[str], None]) -> Any:
    """Runs the notebook and leaves the executed one at ``task.output``, failed or not; the executed notebook.

    Raises:
        BadInputsError: there are parameters, but papermill cannot write them in this language.
        KernelMissingError: the kernel does not start.
        KernelDiedError, OutOfMemoryError: the kernel ended in the middle.
        CellTimeLimitError: a cell took longer than it may.
        ProcessFailedError: a cell failed; the message has the cell's number, the error and the failing line.
    """
    from papermill.exceptions import PapermillExecutionError
    from papermill.execute import raise_for_execution_errors

    from generator.runner.engine import ImageEngine, KernelRun

    for logger in ("papermill", "nbclient", "traitlets"):
        logging.getLogger(logger).setLevel(logging.CRITICAL)
    if task.parameters and not can_inject(task.kernel, task.language):
        raise BadInputsError(f"{task.name}: papermill cannot write parameters in the language {task.language!r}")
    secrets = Secrets({name: str(task.parameters[name]) for name in task.secret if name in task.parameters})
    record.parameters = {**task.parameters, **dict.fromkeys(secrets.placeholders, mask)}
    nb = _prepared(task, {**task.parameters, **secrets.placeholders})
    hooks = _Hooks(nb.cells, task.parameters, record, say)
    kernel_run = KernelRun(
        kernel=task.kernel,
        saver=Saver(task.output),
        secrets=secrets,
        literal=_literal_in(task),
        on_cell=hooks.started,
        on_cell_done=hooks.executed,
        directory=task.directory,
        cell_time_limit=task.cell_time_limit,
    )
    killed_before = oom_kills()
    try:
        with _told(hooks, kernel_run, killed_before):
            nb = ImageEngine.run(nb, kernel_run)
    finally:
        record.peak_memory = kernel_run.peak_memory
    try:
        raise_for_execution_errors(nb, str(task.output))
    except PapermillExecutionError as error:
        if oom_kills() > killed_before and "MemoryError" not in str(error.ename):
            say("warning: a process of the run was killed for want of memory")
        raise ProcessFailedError(_explain(error, hooks)) from None
    return nb


@contextmanager
def _told(hooks: _Hooks, kernel_run: KernelRun, killed_before: int) -> Iterator[None]:
    """What nbclient raises, in the runner's terms."""
    from nbclient.exceptions import CellTimeoutError, DeadKernelError

    try:
        yield
    except CellTimeoutError:
        limit = f"{kernel_run.cell_time_limit:g} s"
        raise CellTimeLimitError(f"{hooks.present} took longer than a cell's limit of {limit}") from None
    except DeadKernelError:
        if oom_kills() > killed_before:
            raise OutOfMemoryError(f"{hooks.present}: the kernel was killed, the memory was used up") from None
        raise KernelDiedError(f"{hooks.present}: the kernel {kernel_run.kernel.name!r} {_ending(kernel_run)}") from None
    except RuntimeError as error:
        if "Kernel didn't respond" not in str(error) and "Kernel died" not in str(error):
            raise
        raise KernelMissingError(f"the kernel {kernel_run.kernel.name!r} does not start: {error}") from None


def _ending(kernel_run: KernelRun) -> str:
    code = kernel_run.kernel_exit
    if code is None:
        return "died"
    return f"was killed by signal {-code}" if code < 0 else f"ended by itself with code {code}"


def _prepared(task: Task, parameters: Mapping[str, Literal]) -> Any:
    """The notebook with the image's kernel and an injected cell, as papermill prepares it."""
    import nbformat
    from papermill.execute import prepare_notebook_metadata, remove_error_markers
    from papermill.iorw import load_notebook_node
    from papermill.parameterize import parameterize_notebook

    nb = load_notebook_node(nbformat.reads(task.text, as_version=4))
    nb.metadata.setdefault("kernelspec", {}).update(name=task.kernel.name, language=task.kernel.language)
    if parameters:
        language = papermill_language(task.language)
        nb = parameterize_notebook(nb, dict(parameters), kernel_name=task.kernel.name, language=language)
    return remove_error_markers(prepare_notebook_metadata(nb, task.name, task.output.name))


def _literal_in(task: Task) -> Callable[[str], str]:
    """How a string is written in the notebook's language, by papermill's translator."""
    from papermill.translators import papermill_translators

    if not task.secret:
        return repr
    translator = papermill_translators.find_translator(task.kernel.name, papermill_language(task.language))
    return lambda text: str(translator.translate(text))


class _Hooks:
    """Says which cell runs, in the numbers of the notebook as it is in the repository."""

    def __init__(self, cells: list[Any], names: Iterable[str], record: Record, say: Callable[[str], None]) -> None:
        self.names = tuple(names)
        self.record = record
        injected = [i for i, cell in enumerate(cells) if "injected-parameters" in cell.metadata.get("tags", [])]
        self.injected = injected[0] if injected else None
        self.total = len(cells) - len(injected)
        self.cells = cells
        self.say = say
        self.began = 0.0
        self.present = "before the first cell"

    def number(self, index: int) -> int | None:
        """The cell's number in the repository's notebook, from 1; None for the injected cell."""
        if self.injected is None or index < self.injected:
            return index + 1
        return None if index == self.injected else index

    def started(self, cell: Any, cell_index: int) -> None:
        """Before a cell."""
        if cell.cell_type != "code":
            return
        self.began = time.monotonic()
        number = self.number(cell_index)
        if number is None:
            self.present = "the injected parameters"
            self.say(f"parameters: {', '.join(self.names)}")  # names alone: a value may be a secret
        else:
            self.present = f"cell {number} of {self.total}"
            self.say(f"{self.present}: {_first_line(cell.source)}")

    def executed(self, cell_index: int, **_: Any) -> None:
        """After a cell, failed or not."""
        seconds = time.monotonic() - self.began
        self.record.cells.append({"cell": self.number(cell_index), "seconds": round(seconds, 3)})
        if seconds >= 1:
            self.say(f"    took {seconds:.1f} s")


def _first_line(source: str) -> str:
    line = next((line.strip() for line in source.splitlines() if line.strip() and not line.strip().startswith("#")), "")
    return line if len(line) <= 70 else line[:67] + "..."


def _explain(error: Any, hooks: _Hooks) -> str:
    number = hooks.number(error.cell_index)
    where = f"cell {number}" if number else "the injected parameters"
    failing = _failing_line(error)
    value = re.sub(r"\x1b\[[0-9;]*m", "", str(error.evalue))
    return f"{where} failed: {error.ename}: {value}" + (f"\n  line {failing[0]}: {failing[1]}" if failing else "")


def _failing_line(error: Any) -> tuple[int, str] | None:
    """The line of the cell at which it failed, from the arrow of IPython's traceback."""
    plain = re.sub(r"\x1b\[[0-9;]*m", "", "\n".join(map(str, error.traceback)))
    lines = str(error.source).splitlines()
    for arrow in re.finditer(r"^-+> (\d+) (.*)$", plain, re.MULTILINE):
        line = int(arrow[1])
        if 1 <= line <= len(lines) and lines[line - 1].strip() == arrow[2].strip():
            return line, arrow[2].strip()
    return None
