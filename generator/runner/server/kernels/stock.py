"""One prepared process of a worker, and the kernels or shells that were forked from it ahead of their runs."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass
from pathlib import Path

from generator.runner.image_note import read_image_note
from generator.runner.kernels.forked_kernels import ForkedKernel, ForkedShell
from generator.runner.kernels.prepared import Kind, PreparedProcess, UnfitError
from generator.runner.kernels.process import build_environment
from generator.runner.kernels.runtime import make_private_folder, remove_private_folder
from generator.runner.kernels.specs import Kernel
from generator.runner.packaged.home import find_image_home, prepare_home
from generator.runner.server.kernels.packages import InstalledPackages

_IMPORT_TIMEOUT = 300.0
_START = 2.0
"""Seconds that a process may take to start, before it imports what a notebook does."""
Forked = ForkedKernel | ForkedShell


@dataclass(frozen=True, slots=True)
class Recipe:
    """What a prepared process is for: a kernel, its children, and the modules that it imports.

    ``local`` are names of modules of the notebook's folder, which must not be loaded.
    """

    kernel: Kernel
    kind: Kind
    modules: tuple[str, ...] = ()
    local: tuple[str, ...] = ()


class Stock:
    """A prepared process and its spare children."""

    def __init__(self, recipe: Recipe, base: dict[str, str]) -> None:
        """Start the process with the environment ``base`` and a home folder like that of a run.

        Raises:
            OSError: it cannot be started.
        """
        self.recipe = recipe
        self.spares: deque[Forked] = deque()
        self._started = time.monotonic()
        self._packages = InstalledPackages(recipe.kernel)
        self._home = make_private_folder()
        try:
            environment = dict(base)
            prepare_home(self._home, find_image_home(read_image_note()), environment)
            self.process = PreparedProcess(
                recipe.kernel,
                recipe.kind,
                recipe.modules,
                local=recipe.local,
                environment=build_environment(recipe.kernel, environment),
                directory=self._home,
            )
        except BaseException:
            remove_private_folder(self._home)
            raise

    def is_ready(self, timeout: float = 0) -> bool:
        """Return whether the process can be forked; wait at most ``timeout`` seconds.

        Raises:
            UnfitError: it cannot and never will.
        """
        if self.process.is_ready(timeout):
            return True
        if time.monotonic() - self._started > _IMPORT_TIMEOUT:
            raise UnfitError(f"its imports take more than {_IMPORT_TIMEOUT:g} s")
        return False

    def await_ready(self, patience: float) -> None:
        """Wait at most ``patience`` seconds for the answer of `is_ready`.

        A process that takes far longer than that has had its time: nobody waits for it.
        """
        left = self._started + _START + patience - time.monotonic()
        self.process.await_answer(min(patience, left))

    def is_outdated(self) -> bool:
        """Whether the packages of the environment have changed since the process began to import them."""
        return self._packages.have_changed()

    def take(self) -> Forked:
        """Return a child for a run.

        Raises:
            UnfitError: the process cannot be forked.
        """
        while self.spares:
            spare = self.spares.popleft()
            if spare.process.exit_code() is None:
                return spare
            spare.discard()
        return self._fork()

    def refill(self, count: int) -> None:
        """Fork children ahead until there are ``count``.

        Raises:
            UnfitError: the process cannot be forked.
        """
        while len(self.spares) < count:
            self.spares.append(self._fork())

    def drop_spares(self) -> None:
        """End the children that were forked ahead."""
        while self.spares:
            self.spares.pop().discard()

    def changes(self, environment: dict[str, str]) -> dict[str, str | None]:
        """Return how an environment differs from that of the process; None for a variable that it lacks."""
        own = self.process.environment
        changed: dict[str, str | None] = {name: value for name, value in environment.items() if own.get(name) != value}
        return changed | {name: None for name in own if name not in environment}

    def memory(self) -> int:
        """Return the proportional set size of the process and its spares, in bytes."""
        return sum(proportional_size(one) for one in (self.process.process_id, *self._spare_ids()))

    def _spare_ids(self) -> list[int]:
        return [spare.process.process_id for spare in self.spares]

    def _fork(self) -> Forked:
        return (ForkedKernel if self.recipe.kind == "kernel" else ForkedShell)(self.process)

    def end(self) -> None:
        """End the process, its children, and its home folder."""
        self.drop_spares()
        self.process.end()
        remove_private_folder(self._home)


def proportional_size(process_id: int) -> int:
    """Return a process's proportional set size in bytes; 0 if it cannot be read (proc(5), smaps_rollup)."""
    try:
        with open(f"/proc/{process_id}/smaps_rollup", encoding="ascii") as file:
            line = next((line for line in file if line.startswith("Pss:")), "Pss: 0")
    except OSError:
        return 0
    return int(line.split()[1]) * 1024


def has_profile(kernel: Kernel, environment: dict[str, str]) -> bool:
    """Check whether IPython's settings or startup files apply to a kernel; only a process of its own reads them."""
    home = Path(environment.get("IPYTHONDIR") or Path(environment.get("HOME") or "/", ".ipython"))
    prefix = Path(kernel.argv[0]).parent.parent
    folders = [home / "profile_default", home / "profile_default" / "startup"]
    folders += [prefix / "etc/ipython", Path("/usr/local/etc/ipython"), Path("/etc/ipython")]
    return any(_has_code(folder) for folder in folders)


def _has_code(folder: Path) -> bool:
    try:
        return any(entry.name.endswith((".py", ".ipy", "config.json")) for entry in folder.iterdir())
    except OSError:
        return False
