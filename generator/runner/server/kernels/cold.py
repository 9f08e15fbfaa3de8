"""Kernels in processes of their own, started ahead of their runs: for languages other than Python, and special kernels.

A kernel that runs already is moved to its run: its working directory takes the place of the run's, by renaming.
"""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from generator.runner.execution.execution import StartedKernel, start_cold
from generator.runner.execution.task import Task
from generator.runner.image_note import read_image_note
from generator.runner.kernels.interfaces import KernelSession
from generator.runner.kernels.process import KernelProcess, build_environment, new_connection, transport_of
from generator.runner.kernels.runtime import KernelLog
from generator.runner.kernels.specs import Kernel
from generator.runner.packaged.home import find_image_home, prepare_home
from generator.shared.removal import remove_tree

_MOVABLE = frozenset(("python", "r", "julia"))
"""Languages that ask the operating system for their working directory; others remember it from their start."""


class ColdPool:
    """Kernels started ahead for the kernelspecs that runs used last."""

    def __init__(self, count: int, base: dict[str, str], folder: Path | None) -> None:
        """Keep ``count`` kernels in ``folder``, which is on the file system of the runs; none without a folder."""
        self._count = count if folder else 0
        self._base = base
        self._folder = folder or Path()
        self._waiting: OrderedDict[Kernel, WaitingKernel | None] = OrderedDict()

    def start(self, task: Task, log: KernelLog, runtime: Path) -> StartedKernel:
        """Return a kernel in the task's directory: one that was started ahead, or a new one.

        Raises:
            OSError: the kernel's program cannot be started.
        """
        if self._count and task.kernel.language.lower() in _MOVABLE:
            waiting = self._waiting.get(task.kernel)
            self._waiting[task.kernel] = None
            self._waiting.move_to_end(task.kernel)
            if waiting and waiting.move(task.directory, log.descriptor(transport=transport_of(task.kernel, runtime))):
                return waiting
            if waiting:
                waiting.end()
        return start_cold(task, log, runtime, ends_with_parent=True)

    def tidy(self) -> None:
        """Start kernels for the kernelspecs used last, and end the others."""
        for kernel in list(self._waiting)[: -self._count or None] if len(self._waiting) > self._count else ():
            if waiting := self._waiting.pop(kernel):
                waiting.end()
        for kernel, waiting in self._waiting.items():
            if waiting is None or waiting.process.exit_code() is not None:
                if waiting:
                    waiting.end()
                with suppress(OSError):  # the next run reports it
                    self._waiting[kernel] = WaitingKernel(kernel, self._base, self._folder)

    def process_ids(self) -> tuple[int, ...]:
        """Return the processes of the kernels that were started ahead."""
        return tuple(waiting.process.process_id for waiting in self._waiting.values() if waiting)

    def end(self) -> None:
        """End all kernels that were started ahead."""
        for waiting in filter(None, self._waiting.values()):
            waiting.end()
        self._waiting.clear()


class WaitingKernel:
    """A kernel that was started ahead of its run."""

    def __init__(self, kernel: Kernel, base: dict[str, str], folder: Path) -> None:
        """Start it.

        Raises:
            OSError: the kernel's program cannot be started, or the disk is full.
        """
        self._place = folder / os.urandom(8).hex()
        self._directory = self._place / "directory"
        runtime, home = self._place / "runtime", self._place / "home"
        environment = dict(base)
        try:
            for one in (self._directory, runtime, home):
                one.mkdir(mode=0o700, parents=True)
            prepare_home(home, find_image_home(read_image_note()), environment)
        except BaseException:
            remove_tree(self._place)
            raise
        reading, writing = os.pipe()
        self._log = _Log(reading)
        try:
            self.process: KernelProcess = _Process(
                kernel,
                connection=new_connection(kernel, runtime),
                runtime=runtime,
                cwd=self._directory,
                log=writing,
                environment=build_environment(kernel, environment),
                ends_with_parent=True,
                on_end=self._remove,
            )
        except BaseException:
            self._remove()
            raise
        finally:
            os.close(writing)

    def move(self, directory: Path, log: int | None) -> bool:
        """Move the kernel to the directory of its run, with the files that are there; return whether that worked."""
        if self.process.exit_code() is not None:
            return False
        try:
            if directory.stat().st_dev != self._directory.stat().st_dev:
                return False
            with os.scandir(directory) as entries:
                names = [entry.name for entry in entries]
            for name in names:
                (directory / name).rename(self._directory / name)
            directory.rmdir()
            self._directory.rename(directory)
        except OSError:
            for name in os.listdir(self._directory) if self._directory.is_dir() else ():  # noqa: PTH208
                directory.mkdir(exist_ok=True)
                (self._directory / name).rename(directory / name)
            return False
        self._log.write_to(2 if log is None else log)
        return True

    def connect(self) -> KernelSession:
        """Return a session."""
        from generator.runner.kernels.session import Session

        return Session(self.process)

    def end(self) -> None:
        """End the kernel, and remove its folders."""
        self.process.end()

    def _remove(self) -> None:
        self._log.end()
        remove_tree(self._place)


class _Process(KernelProcess):
    """A kernel's process with folders that end with it."""

    def __init__(self, kernel: Kernel, *, on_end: Callable[[], None], **options: Any) -> None:
        self._on_end = on_end
        super().__init__(kernel, **options)

    def end(self) -> None:
        super().end()
        self._on_end()


class _Log:
    """Passes output outside of a kernel's channels on to its run."""

    def __init__(self, reading: int) -> None:
        self._reading = reading
        self._thread: threading.Thread | None = None

    def write_to(self, log: int) -> None:
        """Begin to write the output to a descriptor."""
        self._thread = threading.Thread(target=self._pump, args=(os.dup(log),), daemon=True)
        self._thread.start()

    def _pump(self, log: int) -> None:
        with suppress(OSError):
            while data := os.read(self._reading, 1 << 16):
                os.write(log, data)
        os.close(log)

    def end(self) -> None:
        """Stop after the last output."""
        if self._thread:
            self._thread.join(timeout=1)
        with suppress(OSError):
            os.close(self._reading)
        self._reading = -1
