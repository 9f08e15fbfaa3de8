"""Runs one notebook by papermill: its parameters, its engine, the kernel of the image."""

from __future__ import annotations

import logging
import os
import re
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from generator.parameters import Literal
from generator.runner.failures import BadInputsError, KernelDiedError, ProcessFailedError
from generator.runner.kernels import Kernel

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


def execute(task: Task, *, say: Callable[[str], None]) -> Any:
    """Runs the notebook and leaves the executed one at ``task.output``, failed or not; the executed notebook.

    Raises:
        BadInputsError: there are parameters, but papermill cannot write them in this language.
        KernelDiedError: the kernel did not start, or ended in the middle.
        ProcessFailedError: a cell failed; the message has the cell's number, the error and the failing line.
    """
    import nbformat
    from nbclient.exceptions import DeadKernelError
    from papermill.engines import papermill_engines
    from papermill.exceptions import PapermillExecutionError
    from papermill.execute import prepare_notebook_metadata, raise_for_execution_errors, remove_error_markers
    from papermill.iorw import load_notebook_node
    from papermill.parameterize import parameterize_notebook

    logging.getLogger("papermill").setLevel(logging.ERROR)
    if task.parameters and not can_inject(task.kernel, task.language):
        raise BadInputsError(f"{task.name}: papermill cannot write parameters in the language {task.language!r}")
    nb = load_notebook_node(nbformat.reads(task.text, as_version=4))
    nb.metadata.setdefault("kernelspec", {}).update(name=task.kernel.name, language=task.kernel.language)
    if task.parameters:
        nb = parameterize_notebook(
            nb, dict(task.parameters), kernel_name=task.kernel.name, language=papermill_language(task.language)
        )
    nb = remove_error_markers(prepare_notebook_metadata(nb, task.name, task.output.name))
    hooks = _Hooks(nb.cells, task.parameters, say)
    try:
        nb = papermill_engines.execute_notebook_with_engine(
            None,
            nb,
            input_path=None,
            output_path=str(task.output),
            kernel_name=task.kernel.name,
            progress_bar=False,
            kernel_manager_class=_manager_of(task.kernel),
            resources={"metadata": {"path": str(task.directory)}},
            on_cell_start=hooks.started,
            on_cell_executed=hooks.executed,
        )
        raise_for_execution_errors(nb, str(task.output))
    except DeadKernelError:
        raise KernelDiedError(f"{hooks.present}: the kernel {task.kernel.name!r} died") from None
    except RuntimeError as error:
        if "Kernel didn't respond" not in str(error) and "Kernel died" not in str(error):
            raise
        raise KernelDiedError(f"the kernel {task.kernel.name!r} did not start: {error}") from None
    except PapermillExecutionError as error:
        raise ProcessFailedError(_explain(error, hooks)) from None
    return nb


def kernel_spec_of(kernel: Kernel) -> Any:
    """The kernel as jupyter_client's KernelSpec."""
    from jupyter_client.kernelspec import KernelSpec

    return KernelSpec(
        argv=list(kernel.argv),
        env=dict(kernel.environment),
        display_name=kernel.name,
        language=kernel.language,
        interrupt_mode=kernel.interrupt_mode,
        resource_dir=str(kernel.folder),
    )


def connection_of(kernel: Kernel) -> dict[str, str]:
    """How to speak with a kernel: ipykernel by Unix sockets, which no one else on the host can read, others by TCP.

    A socket's path may have 107 bytes (unix(7)).
    """
    sockets = os.path.join(os.environ.get("JUPYTER_RUNTIME_DIR", ""), "kernel")
    if kernel.language.lower() == "python" and os.path.isabs(sockets) and len(sockets) < 100:
        return {"transport": "ipc", "ip": sockets}
    return {"transport": "tcp"}


def _manager_of(kernel: Kernel) -> type:
    """A kernel manager that starts exactly this kernel, wherever Jupyter would look."""
    from jupyter_client.manager import AsyncKernelManager

    connection = connection_of(kernel)

    class ImageKernelManager(AsyncKernelManager):  # type: ignore[misc]
        def __init__(self, **options: Any) -> None:
            super().__init__(**options)
            self.set_trait("transport", connection["transport"])
            if "ip" in connection:
                self.set_trait("ip", connection["ip"])

        @property
        def kernel_spec(self) -> Any:
            return kernel_spec_of(kernel)

    return ImageKernelManager


class _Hooks:
    """Says which cell runs, in the numbers of the notebook as it is in the repository."""

    def __init__(self, cells: list[Any], names: Iterable[str], say: Callable[[str], None]) -> None:
        self.names = tuple(names)
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

    def executed(self, **_: Any) -> None:
        seconds = time.monotonic() - self.began
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
