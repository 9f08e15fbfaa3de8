"""Fresh kernels without the cold start, for one worker process and its main thread."""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path

from generator.runner.execution.task import Task
from generator.runner.kernels.prepared import Kind
from generator.runner.kernels.specs import Kernel, choose_kernel
from generator.runner.server.kernels.cold import ColdPool
from generator.runner.server.kernels.forkable import why_cold
from generator.runner.server.kernels.installed import InstalledKernels
from generator.runner.server.kernels.limits import KernelLimits
from generator.runner.server.kernels.notebook_record import NotebookRecord
from generator.runner.server.kernels.pool import PreparedPool
from generator.runner.server.kernels.reading import digest_code, read_code
from generator.runner.server.runs.model import Choice
from generator.shared.failures import KernelMissingError

_MOST_NOTEBOOKS = 2000


class WarmKernels:
    """The kernels that one worker keeps ready."""

    def __init__(
        self,
        limits: KernelLimits | None = None,
        *,
        default: Choice = "auto",
        folder: Path | None = None,
        log: Callable[[str], None] = print,
        once: bool = False,
    ) -> None:
        """``default`` is the way of runs that request none; kernels are started with the environment of now.

        ``folder`` is for kernels of other languages, and on the file system of the runs. With ``once``, there is one
        run alone, and nothing is prepared for a second one.
        """
        self.default = default
        self.once = once
        self.installed = InstalledKernels(os.environ)
        self.limits = limits or KernelLimits()
        self.pool = PreparedPool(self.limits, dict(os.environ), log)
        self.cold = ColdPool(self.limits.cold, dict(os.environ), folder)
        self._notebooks: OrderedDict[tuple[Kernel, bytes], NotebookRecord] = OrderedDict()
        self._unforkable: dict[Kernel, str] = {}

    def expect(self, language: str = "python") -> None:
        """Begin to prepare the processes that the first run of a notebook needs."""
        try:
            kernel, _ = choose_kernel(self.installed.find(os.environ), name=None, language=language)
        except KernelMissingError:
            return
        if self.default != "cold" and not self.why_cold(kernel):
            kinds: tuple[Kind, ...] = ("kernel",) if self.default == "kernel" else ("kernel", "shell")
            if self.once:
                kinds = ("shell",) if self.default == "direct" else ("kernel",)
            for kind in kinds:
                self.pool.begin(kernel, kind)

    def tidy(self) -> None:
        """Prepare for the next runs, and release what is too much; call it while there is no run."""
        self.pool.tidy()
        self.cold.tidy()

    def end(self) -> None:
        """End all kernels and prepared processes."""
        self.pool.end()
        self.cold.end()

    def notebook(self, task: Task) -> NotebookRecord:
        """Return what is known of a task's notebook."""
        key = (task.kernel, digest_code(task.document))
        notebook = self._notebooks.get(key)
        if notebook is None:
            notebook = self._notebooks[key] = NotebookRecord(read_code(task.document))
            while len(self._notebooks) > _MOST_NOTEBOOKS:
                self._notebooks.popitem(last=False)
        self._notebooks.move_to_end(key)
        return notebook

    def why_cold(self, kernel: Kernel) -> str:
        """Return why a kernel cannot be forked; empty if it can."""
        known = self._unforkable.get(kernel)
        if known is None:
            known = self._unforkable[kernel] = why_cold(kernel, dict(os.environ))
        return known

    def set_unforkable(self, kernel: Kernel, reason: str) -> None:
        """Note that a kernel cannot be forked."""
        self._unforkable[kernel] = reason
