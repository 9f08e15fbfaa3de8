"""papermill's engine as packmill runs it: exact kernels, linear saves, secrets that stay secret."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jupyter_core.utils import run_sync
from papermill.clientwrap import PapermillNotebookClient
from papermill.engines import Engine, NotebookExecutionManager

from generator.runner.kernels import Kernel, connection_of, kernel_spec_of
from generator.runner.masking import Secrets
from generator.runner.saving import Saver
from generator.runner.watching import peak_memory, settle


@dataclass(slots=True)
class KernelRun:
    """What one execution needs, and what it leaves: the kernel's exit code and its peak memory in bytes."""

    kernel: Kernel
    saver: Saver
    secrets: Secrets
    literal: Callable[[str], str]
    on_cell: Callable[..., None]
    on_cell_done: Callable[..., None]
    directory: Path
    cell_time_limit: float | None = None
    start_timeout: float = 60
    peak_memory: int | None = None
    kernel_exit: int | None = None


class ImageEngine(Engine):  # type: ignore[misc]
    """Runs a notebook in the kernel of a `KernelRun`; saves go through its `Saver`."""

    @classmethod
    def run(cls, nb: Any, kernel_run: KernelRun) -> Any:
        """The executed notebook; what stops it is raised after the last save."""
        manager = _Manager(nb, output_path=None, progress_bar=False, autosave_cell_every=0)
        manager.kernel_run = kernel_run
        manager.notebook_start()
        try:
            client = _Client(
                manager,
                kernel_name=kernel_run.kernel.name,
                timeout=kernel_run.cell_time_limit,
                startup_timeout=kernel_run.start_timeout,
                kernel_manager_class=_manager_of(kernel_run.kernel),
                shutdown_kernel="immediate",
                on_cell_start=kernel_run.on_cell,
                on_cell_executed=kernel_run.on_cell_done,
                resources={"metadata": {"path": str(kernel_run.directory)}},
            )
            client.kernel_run = kernel_run
            client.execute()
        finally:
            settle()
            manager.notebook_complete()
        return manager.nb


class _Manager(NotebookExecutionManager):  # type: ignore[misc]
    """papermill's record of cells and times, saved when the `Saver` finds it time."""

    kernel_run: KernelRun | None = None

    def save(self, **_: Any) -> None:
        if self.kernel_run:
            self.kernel_run.saver.save(self.nb)

    def notebook_complete(self, **kwargs: Any) -> None:
        super().notebook_complete(**kwargs)
        if self.kernel_run:
            self.kernel_run.saver.save(self.nb, now=True)


class _Client(PapermillNotebookClient):  # type: ignore[misc]
    """nbclient, with secrets put into what goes to the kernel and masked in what comes back."""

    kernel_run: KernelRun

    async def async_start_new_kernel_client(self) -> Any:
        client = await super().async_start_new_kernel_client()
        send = client.execute

        def execute(code: str, *arguments: Any, **options: Any) -> Any:
            return send(self.kernel_run.secrets.reveal(code, self.kernel_run.literal), *arguments, **options)

        client.execute = execute
        return client

    def process_message(self, msg: dict[str, Any], cell: Any, cell_index: int) -> Any:
        hidden = {**msg, "content": self.kernel_run.secrets.hide(msg["content"])}
        return super().process_message(hidden, cell, cell_index)

    async def async_execute_cell(self, cell: Any, cell_index: int, *arguments: Any, **options: Any) -> Any:
        try:
            return await super().async_execute_cell(cell, cell_index, *arguments, **options)
        finally:
            self._note_kernel()

    def _note_kernel(self) -> None:
        process = getattr(self.km.provisioner, "process", None) if self.km else None
        if process is not None:
            self.kernel_run.kernel_exit = process.poll()
            self.kernel_run.peak_memory = peak_memory(process.pid) or self.kernel_run.peak_memory

    # nbclient binds its blocking forms to its own coroutines, so these are bound anew.
    start_new_kernel_client = run_sync(async_start_new_kernel_client)
    execute_cell = run_sync(async_execute_cell)


def _manager_of(kernel: Kernel) -> type:
    """A kernel manager that starts exactly this kernel, wherever Jupyter would look."""
    from jupyter_client.manager import AsyncKernelManager

    connection = connection_of(kernel)

    class ImageKernelManager(AsyncKernelManager):  # type: ignore[misc]
        def __init__(self, **options: Any) -> None:
            super().__init__(**options)
            for name, value in connection.items():
                self.set_trait(name, value)

        @property
        def kernel_spec(self) -> Any:
            return kernel_spec_of(kernel)

    return ImageKernelManager
