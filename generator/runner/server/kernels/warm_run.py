"""The kernel of one run.

A notebook's first run is a child of a bare prepared process, and reports the modules that it loaded. Later runs are
children of a process that has imported them. Every run has a child of its own. The ways of a run:

- *direct*: an IPython shell without the kernel protocol, for notebooks that are plain Python;
- *kernel*: ipykernel, for all other notebooks in Python;
- *cold*: a process of its own, for other languages and kernels that cannot be forked.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from generator.runner.execution.execution import StartedKernel
from generator.runner.execution.task import Task
from generator.runner.execution.watching import deferred_signals
from generator.runner.kernels.forked import RunPlace
from generator.runner.kernels.interfaces import KernelSession, Process
from generator.runner.kernels.prepared import ForkRefusedError, Kind, PreparedProcessDiedError, UnfitError
from generator.runner.kernels.process import build_environment, transport_of
from generator.runner.kernels.runtime import KernelLog
from generator.runner.kernels.specs import Kernel
from generator.runner.server.kernels.notebook_record import NotebookRecord
from generator.runner.server.kernels.reading import needing_modules
from generator.runner.server.kernels.stock import Forked, Recipe, Stock
from generator.runner.server.kernels.trial import TrialSession
from generator.runner.server.kernels.warm import WarmKernels
from generator.runner.server.runs.model import Choice, Way

_BARE_TIMEOUT = 60.0
_ATTEMPTS = 3
_MOST_WAITING = 10.0
"""Seconds that a run waits at most for a process that is importing its modules."""
_MOST_PATIENCE = 120.0
_SETTINGS_FILES = ("matplotlibrc", ".numba_config.yaml")
"""Files that libraries look for in the working directory when they are imported."""


class WarmRun:
    """The kernel of one run: started on its way, and learned from at its end."""

    def __init__(self, kernels: WarmKernels, requested: Choice | None = None) -> None:
        """Take the way ``requested``; None is the default of the kernels."""
        self._kernels = kernels
        self._requested = requested or kernels.default
        self._child: Forked | None = None
        self._stock: Stock | None = None
        self._notebook: NotebookRecord | None = None
        self._trial: TrialSession | None = None
        self._started = 0.0
        self.way: Way | None = None
        """The way that was taken; None before the start."""
        self.note: str | None = None
        """What users should know about the way."""
        self.unsuited = False
        """Whether the run must be repeated, because its child could not be used; known after `finish`."""
        self.suits_direct = False
        """Whether the notebook can take the way *direct*; known after `finish` of a run that was forked."""

    def start(self, task: Task, log: KernelLog, runtime: Path) -> StartedKernel:
        """Start the kernel (`generator.runner.execution.execution.Start`)."""
        if self._requested != "cold" and not self._kernels.why_cold(task.kernel):
            self._notebook = self._kernels.notebook(task)
            self._await_prepared(task, self._notebook)
        with deferred_signals():  # an exception between a request to fork and its answer would lose the child
            if self._requested != "cold":
                reason = self._kernels.why_cold(task.kernel)
                try:
                    if not reason:
                        return self._fork(task, log, runtime)
                except ForkRefusedError as error:
                    reason = str(error)
                except UnfitError as error:
                    reason = str(error)
                    self._kernels.set_unforkable(task.kernel, reason)
                if task.kernel.language.lower() == "python" or self._requested != "auto":
                    self.note = f"the kernel was started in a process of its own: {reason}"
            self.way = "cold"
            return self._kernels.cold.start(task, log, runtime)

    def _await_prepared(self, task: Task, notebook: NotebookRecord) -> None:
        """Wait for a process that is importing the notebook's modules, at most twice as long as the first run took.

        Without it, this run would import them itself, at the same time.
        """
        if recipe := self._recipe(task, self._choose_kind(notebook), notebook):
            self._kernels.pool.await_ready(recipe, min(2 * notebook.seconds, _MOST_WAITING))

    def _fork(self, task: Task, log: KernelLog, runtime: Path) -> StartedKernel:
        notebook = self._notebook or self._kernels.notebook(task)
        kind = self._choose_kind(notebook)
        stock, child = self._take_child(task, kind, notebook)
        self.way = "direct" if kind == "shell" else "kernel"
        self._child, self._stock, self._started = child, stock, time.monotonic()
        transport = "" if kind == "shell" else transport_of(task.kernel, runtime)
        child.begin(
            RunPlace(
                directory=task.directory,
                environment=stock.changes(build_environment(task.kernel)),
                log=log.descriptor(transport=transport),
                report=notebook.modules is None,
            )
        )
        if stock.recipe.modules and kind not in notebook.proven:
            return _Trial(child, min(max(self._kernels.limits.patience, 5 * notebook.seconds), _MOST_PATIENCE), self)
        return child if notebook.modules is not None else _Trial(child, None, self)

    def _take_child(self, task: Task, kind: Kind, notebook: NotebookRecord) -> tuple[Stock, Forked]:
        """Return a child and the process that it was forked from; replace processes that cannot be forked any more.

        Raises:
            ForkRefusedError: the system has no process or memory left.
            UnfitError: the kernel cannot be forked.
        """
        for _ in range(_ATTEMPTS):
            stock = self._find_stock(task, kind, notebook)
            try:
                return stock, stock.take()
            except ForkRefusedError:
                raise
            except UnfitError as error:
                died = isinstance(error, PreparedProcessDiedError)
                self._kernels.pool.forget(stock.recipe, "" if died else str(error))
                if died:
                    self.note = "; ".join(filter(None, (self.note, "a prepared process had died and was replaced")))
        raise UnfitError("its kernel cannot be forked: prepared processes die")

    @staticmethod
    def _need(notebook: NotebookRecord) -> str:
        """Return what the notebook uses that only a kernel has; empty if nothing is known."""
        need = notebook.code.needs_kernel or needing_modules(notebook.modules or ())
        return need or ("widgets" if notebook.has_comms else "")

    def _choose_kind(self, notebook: NotebookRecord) -> Kind:
        need = self._need(notebook)
        if self._requested == "direct" and need:
            self.note = f"the notebook ran in a kernel: it uses {need}"
        if need or self._requested == "kernel":
            return "kernel"
        return "shell" if self._requested == "direct" or notebook.modules is not None else "kernel"

    def _find_stock(self, task: Task, kind: Kind, notebook: NotebookRecord) -> Stock:
        """Return the prepared process with the notebook's modules if it is ready and suits, else a bare one."""
        pool = self._kernels.pool
        if recipe := self._recipe(task, kind, notebook):
            try:
                found = pool.find(recipe)
                if found is not None:
                    return found
            except UnfitError as error:
                notebook.unsuited = str(error)
        if notebook.unsuited:
            self.note = (
                f"a prepared process does not suit this notebook, so each run imports its modules: {notebook.unsuited}"
            )
        return pool.bare(task.kernel, kind, _BARE_TIMEOUT)

    @staticmethod
    def _recipe(task: Task, kind: Kind, notebook: NotebookRecord) -> Recipe | None:
        """Return what a prepared process with the notebook's modules is made of; None if none would suit."""
        if not notebook.modules or notebook.unsuited or notebook.code.sets_environment:
            return None
        if any(os.access(task.directory / name, os.F_OK) for name in _SETTINGS_FILES):
            return None
        return Recipe(task.kernel, kind, notebook.modules, notebook.local)

    def enter_trial(self, session: KernelSession, patience: float | None) -> KernelSession:
        """Watch a session, because its child may hang."""
        child = cast("Forked", self._child)
        self._trial = TrialSession(session, child.process, patience=patience)
        return self._trial

    def finish(self) -> None:
        """Learn from the run, after its end."""
        notebook, child, stock = self._notebook, self._child, self._stock
        if notebook is None or child is None or stock is None:
            return
        child.discard()
        if self._trial and self._trial.unsuited:
            notebook.unsuited = self._trial.unsuited
            self.unsuited = True
        elif child.process.exit_code() == 0 and stock.recipe.modules:
            notebook.proven.add(stock.recipe.kind)
        notebook.has_comms = notebook.has_comms or bool(self._trial and self._trial.has_comms)
        report = child.process.channel.report
        if report and notebook.modules is None:
            notebook.modules, notebook.local = tuple(report["modules"]), tuple(report["local"])
            notebook.seconds = time.monotonic() - self._started
            if not self._kernels.once:
                self._prepare(notebook, stock.recipe.kernel)
        self.suits_direct = notebook.modules is not None and not self._need(notebook)

    def _prepare(self, notebook: NotebookRecord, kernel: Kernel) -> None:
        """Begin to prepare a process for the next run."""
        if notebook.modules and not notebook.code.sets_environment:
            try:
                recipe = Recipe(kernel, self._choose_kind(notebook), notebook.modules, notebook.local)
                self._kernels.pool.find(recipe)
            except UnfitError as error:
                notebook.unsuited = str(error)


@dataclass(slots=True)
class _Trial:
    """A child whose session is watched."""

    child: Forked
    patience: float | None
    run: WarmRun

    @property
    def process(self) -> Process:
        return self.child.process

    def connect(self) -> KernelSession:
        return self.run.enter_trial(self.child.connect(), self.patience)
