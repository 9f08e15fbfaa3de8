"""A child of a prepared process as a kernel's process: interrupt it, end it, and learn how it ended."""

from __future__ import annotations

import json
import os
import select
import signal
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from generator.runner.kernels.prepared import PreparedProcess, UnfitError
from generator.runner.kernels.interfaces import KernelSession
from generator.runner.kernels.process import Connection, new_connection, open_pidfd
from generator.runner.kernels.specs import Kernel

_TERMINATE_TIMEOUT = 0.2
"""Seconds between SIGTERM and SIGKILL."""


class ForkedProcess:
    """One run's process."""

    def __init__(
        self,
        prepared: PreparedProcess,
        *,
        descriptors: tuple[int, ...],
        cwd: Path,
        environment: Mapping[str, str | None],
        log: int | None,
        connection: Connection | None = None,
        runtime: Path | None = None,
    ) -> None:
        """Fork the process. ``descriptors`` follow the log and the report pipe (packmill_prepared).

        Raises:
            UnfitError: the prepared process cannot be forked.
        """
        self.kernel: Kernel = prepared.kernel
        self._prepared = prepared
        self.peak_memory: int | None = None
        self._code: int | None = None
        self.keeps_output = True
        """Whether the kernel publishes without a limit (packmill_iopub)."""
        self._report, writing = os.pipe()
        further = {}
        if connection is not None and runtime is not None:
            self.connection = connection
            file = runtime / "connection.json"
            with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as stream:
                stream.write(connection.text(self.kernel.name))
            further["connection_file"] = str(file)
        try:
            self._pid = prepared.fork(
                (2 if log is None else log, writing, *descriptors), directory=cwd, environment=environment, **further
            )
        except UnfitError:
            os.close(self._report)
            raise
        finally:
            os.close(writing)
        self.fileno = open_pidfd(self._pid)

    @property
    def process_id(self) -> int:
        """The id of the process."""
        return self._pid

    def wait_until_ready(self, timeout: float) -> bool:
        """Wait until the child can take requests; return whether it did in time."""
        return bool(select.select([self._report], [], [], timeout)[0]) and os.read(self._report, 6) == b"ready\n"

    def exit_code(self) -> int | None:
        """Return the exit code; None while the process runs, negative after a signal."""
        self._reap(0)
        return self._code

    def interrupt(self) -> None:
        """Send SIGINT to the child and its own children."""
        self._signal(signal.SIGINT)

    def end(self) -> None:
        """End the child and its process group, and set ``peak_memory`` (bytes)."""
        if self.fileno is None:
            return
        if self.exit_code() is None:
            self._signal(signal.SIGTERM)
            self._reap(_TERMINATE_TIMEOUT)
        self._signal(signal.SIGKILL)
        self._reap(None)
        os.close(self.fileno)
        os.close(self._report)
        self.fileno = None

    def ends_within(self, seconds: float) -> bool:
        """Wait for the child's end; return whether it came in time."""
        self._reap(seconds)
        return self._code is not None

    def loaded_modules(self) -> tuple[str, ...]:
        """Return the modules that the notebook loaded; empty after a child that did not end by itself."""
        with suppress(OSError, ValueError):
            parts = []
            while select.select([self._report], [], [], 0)[0] and (part := os.read(self._report, 1 << 16)):
                parts.append(part)
            return tuple(map(str, json.loads(b"".join(parts))))
        return ()

    def _reap(self, timeout: float | None) -> None:
        if self._code is not None:
            return
        ended = self._prepared.wait(self._pid, timeout)
        if ended is not None:
            self._code = os.waitstatus_to_exitcode(ended.status)
            self.peak_memory = ended.peak_memory

    def _signal(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._pid, number)




class ForkedKernel:
    """A kernel in a child of a prepared process of the kind ``kernel``."""

    def __init__(
        self,
        prepared: PreparedProcess,
        *,
        cwd: Path,
        environment: Mapping[str, str | None],
        log: int | None,
        runtime: Path,
    ) -> None:
        """Fork the kernel; ``runtime`` is its private folder.

        Raises:
            UnfitError: the prepared process cannot be forked.
        """
        self.process = ForkedProcess(
            prepared,
            descriptors=(),
            cwd=cwd,
            environment=environment,
            log=log,
            connection=new_connection(prepared.kernel, runtime),
            runtime=runtime,
        )

    def connect(self) -> KernelSession:
        """Return a session."""
        from generator.runner.kernels.session import Session

        return Session(self.process)


class ForkedShell:
    """A shell in a child of a prepared process of the kind ``shell``."""

    def __init__(
        self,
        prepared: PreparedProcess,
        *,
        cwd: Path,
        environment: Mapping[str, str | None],
        log: int | None,
        runtime: Path,  # noqa: ARG002 - like a kernel
    ) -> None:
        """Fork the shell.

        Raises:
            UnfitError: the prepared process cannot be forked.
        """
        from generator.runner.kernels.shell import ShellSession

        self._session = ShellSession(prepared, cwd=cwd, environment=environment, log=log)
        self.process = self._session.process

    def connect(self) -> KernelSession:
        """Return the session."""
        return self._session
