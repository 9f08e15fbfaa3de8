"""packmill's execution as a papermill engine: ``papermill --engine packmill``.

In Python it is ``papermill.execute_notebook(…, engine_name="packmill")``, as in the DAGs that packmill writes, because
Airflow's PapermillOperator cannot choose an engine. Registered by the entry point ``papermill.engine`` (papermill's
documentation, "Extending papermill through engines").
"""

from __future__ import annotations

import os
import time
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any, TextIO

import nbformat
from nbclient.exceptions import CellTimeoutError, DeadKernelError
from papermill.engines import Engine, NotebookExecutionManager
from papermill.log import logger
from papermill.translators import papermill_translators

from generator.notebook.kernel_names import language_of_kernel
from generator.runner.document.injection import papermill_language, reinject
from generator.runner.document.saving import rest_after
from generator.runner.document.streams import Text, plain_output
from generator.runner.document.translators import register
from generator.runner.execution.cells import CellRunner
from generator.runner.kernels.endings import CellTooLongError, KernelGoneError, NotReadyError, OutputLostError
from generator.runner.kernels.process import KernelProcess, new_connection
from generator.runner.kernels.runtime import KernelLog, private_folder
from generator.runner.kernels.session import Session
from generator.runner.kernels.sos import front_end
from generator.runner.kernels.specs import choose_kernel, find_kernels
from generator.runner.kernels.traits import find_traits
from generator.runner.standalone.engine_results import EngineResults, engine_results
from generator.runner.standalone.papermill_placing import NotebookCells, follow_dialect, tag_cell

_SHUTDOWN_TIMEOUT = 5.0

register(papermill_translators)


class PackmillEngine(Engine):  # type: ignore[misc]
    """Runs a notebook as ``packmill-runner`` does; papermill prepares the notebook and raises errors."""

    @classmethod
    def nb_language(cls, nb: Any, language: str | None = None) -> str:
        """Return papermill's name of the notebook's language."""
        return papermill_language(language or _language(nb))

    @classmethod
    def execute_notebook(cls, nb: Any, kernel_name: str, **options: Any) -> Any:
        """Run a notebook like papermill, with saves of linear cost.

        ``results`` is a folder for ``result.json``, ``scraps.json`` and ``scraps/``, as of ``packmill-runner run
        --results``; a glued ``statusCode`` of 400 or more then fails the run. ``parameters_cell`` is the number of the
        cell with the parameters, from 1, in a notebook without the tag.
        """
        kernel_name = _text(kernel_name)
        if (parameters_cell := options.pop("parameters_cell", None)) is not None:
            tag_cell(nb, parameters_cell)
        reinject(NotebookCells(nb), kernel_name, _language(nb))
        hidden, path = bool(options.get("report_mode")), str(options.get("input_path") or "")
        follow_dialect(nb, kernel_name, _language(nb), report_mode=hidden, path=path)
        manager_options = ("output_path", "progress_bar", "log_output", "autosave_cell_every")
        manager = _Manager(nb, **{name: options[name] for name in manager_options if name in options})
        folder = options.pop("results", None)
        paths = {name: options.get(name) for name in ("input_path", "output_path")}
        with engine_results(Path(folder).absolute() if folder else None, **paths) as results:
            manager.notebook_start()
            try:
                cls.execute_managed_notebook(manager, kernel_name, results=results, **options)
            finally:
                manager.cleanup_pbar()
                manager.notebook_complete()
        return manager.nb

    @classmethod
    def execute_managed_notebook(  # type: ignore[no-untyped-def]
        cls,
        nb_man: NotebookExecutionManager,
        kernel_name: str,
        *,
        results: EngineResults,
        log_output: bool = False,
        stdout_file: TextIO | None = None,
        stderr_file: TextIO | None = None,
        start_timeout: float = 60,
        execution_timeout: float | None = None,
        **_,
    ) -> None:
        """Start the kernel, run the cells, and end the kernel.

        Raises:
            DeadKernelError: the kernel died.
            CellTimeoutError: a cell exceeded its time limit.
            RuntimeError: the kernel did not answer in time, or dropped output.
        """
        language = _language(nb_man.nb)
        cells = NotebookCells(nb_man.nb)
        kernels = find_kernels(os.environ)
        kernel, warning = choose_kernel(kernels, name=kernel_name, language=language, in_image=False)
        results.record.kernel = kernel.name
        results.record.parameters = (nb_man.nb.metadata.get("papermill") or {}).get("parameters") or {}
        if warning:
            logger.warning(warning)
        with private_folder() as folder, ExitStack() as stack:
            connection = new_connection(kernel, folder)
            log = stack.enter_context(closing(KernelLog())).descriptor(transport=connection.transport)
            process = KernelProcess(kernel, connection=connection, runtime=folder, cwd=Path.cwd(), log=log)
            session = Session(process)
            try:
                info = session.wait_until_ready(start_timeout)
                traits = find_traits(info)
                if traits.unready_version:
                    session.wait_for_language_version(start_timeout, other_than=traits.unready_version)
                listener = _Listener(
                    nb_man, log_output=log_output, stdout=stdout_file, stderr=stderr_file, results=results
                )
                runner = CellRunner(
                    cells,
                    session,
                    listener,
                    limit=execution_timeout,
                    traits=traits,
                    front_end=front_end(info, nb_man.nb.metadata),
                )
                stop = runner.run()
                nb_man.nb.metadata["language_info"] = nbformat.from_dict(info["language_info"])
                widgets = runner.outputs.widget_state()
                if widgets:
                    nb_man.nb.metadata["widgets"] = nbformat.from_dict(widgets)
                runner.drain_output_until_exit(_SHUTDOWN_TIMEOUT)
                stop = stop or runner.late_failure()
                for index in sorted(runner.outputs.updated):
                    results.take(index, nb_man.nb.cells[index].outputs, again=True)
                results.stop(stop)
                if not stop:
                    session.check_losses()
            except CellTooLongError:
                raise CellTimeoutError(f"a cell took longer than {execution_timeout} s") from None
            except NotReadyError:
                raise RuntimeError(f"Kernel didn't respond in {start_timeout} seconds") from None
            except OutputLostError:
                raise RuntimeError(f"The kernel {kernel.name!r} dropped output, which was printed too fast") from None
            except KernelGoneError:
                raise DeadKernelError("Kernel died") from None
            finally:
                session.end()
                results.record.peak_memory = process.peak_memory


def _language(nb: Any) -> str:
    """Return a notebook's language, from its kernel's name if it does not name one."""
    kernelspec = nb.metadata.get("kernelspec", {})
    named = (nb.metadata.get("language_info", {}).get("name"), kernelspec.get("language"))
    return next(filter(None, map(_text, named)), "") or language_of_kernel(str(kernelspec.get("name", ""))) or "python"


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


class _Manager(NotebookExecutionManager):  # type: ignore[misc]
    """papermill's record of a run; a save waits twenty times as long as the previous one took."""

    _next_save = 0.0

    def save(self, **options: Any) -> None:
        now = time.monotonic()
        if now >= self._next_save:
            super().save(**options)
            ended = time.monotonic()
            self._next_save = ended + rest_after(ended - now)

    def notebook_complete(self, **options: Any) -> None:
        self._next_save = 0.0
        super().notebook_complete(**options)


class _Listener:
    """Reports each cell to papermill's manager."""

    def __init__(
        self,
        manager: NotebookExecutionManager,
        *,
        log_output: bool,
        stdout: TextIO | None,
        stderr: TextIO | None,
        results: EngineResults,
    ) -> None:
        self._manager = manager
        self._results = results
        self._log_output = log_output
        self._copies = {"stdout": stdout, "stderr": stderr}

    def start_cell(self, index: int, cell: Any) -> None:
        """Report the start of a cell."""
        self._results.start_cell()
        self._manager.cell_start(cell, index)

    def finish_cell(self, index: int, cell: Any, *, failed: bool) -> None:
        """Report the end of a cell; papermill needs outputs as nbformat's nodes."""
        self._results.finish_cell(index, cell)
        _make_nodes(cell)
        cell["metadata"] = nbformat.from_dict(cell["metadata"])
        if failed:
            self._manager.cell_exception(cell, cell_index=index)
        self._manager.cell_complete(cell, cell_index=index)

    def late_output(self, index: int, cell: Any, output: dict[str, Any]) -> None:
        """Handle an output that arrived after the end of its cell."""
        self._results.take(index, [output])
        _make_nodes(cell)

    def output(self, output: dict[str, Any]) -> None:
        """Copy an output to the requested files and the log."""
        copy = self._copies.get(str(output.get("name")))
        if output["output_type"] == "stream":
            text = str(plain_output(output)["text"])
            if copy:
                copy.write(text)
                copy.flush()
        else:
            text = str((output.get("data") or {}).get("text/plain", ""))
        if self._log_output and text:
            logger.info(text)

    def warn(self, text: str) -> None:
        """Report a problem that does not end the run."""
        logger.warning(text)

    def tick(self) -> None:
        """Save during a long cell."""
        self._manager.autosave_cell()


def _make_nodes(cell: Any) -> None:
    """Replace a cell's outputs by nbformat's nodes, whose attributes papermill reads."""
    if "outputs" in cell:
        cell["outputs"] = [one if _is_node(one) else nbformat.from_dict(plain_output(one)) for one in cell["outputs"]]


def _is_node(output: Any) -> bool:
    return isinstance(output, nbformat.NotebookNode) and not isinstance(output.get("text"), Text)
