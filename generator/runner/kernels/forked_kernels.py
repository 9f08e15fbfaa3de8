"""Kernels and shells in children of a prepared process. They can be forked ahead, and run one notebook."""

from __future__ import annotations

from generator.runner.kernels.forked import ForkedProcess, RunPlace
from generator.runner.kernels.interfaces import KernelSession
from generator.runner.kernels.prepared import PreparedProcess
from generator.runner.kernels.process import Connection, new_connection, write_connection_file
from generator.runner.kernels.runtime import make_private_folder, remove_private_folder


class ForkedKernel:
    """A kernel in a child of a prepared process of the kind ``kernel``."""

    def __init__(self, prepared: PreparedProcess) -> None:
        """Fork the kernel; its sockets are in a private folder, which ends with it.

        Raises:
            UnfitError: the prepared process cannot be forked.
        """
        self.process = _KernelChild(prepared)

    def begin(self, place: RunPlace) -> ForkedKernel:
        """Let its run begin."""
        self.process.begin(place)
        return self

    def connect(self) -> KernelSession:
        """Return a session."""
        from generator.runner.kernels.session import Session

        return Session(self.process)

    def discard(self) -> None:
        """End a kernel that no run needs."""
        self.process.end()


class _KernelChild(ForkedProcess):
    """A forked process that is connected to as a kernel."""

    connection: Connection

    def __init__(self, prepared: PreparedProcess) -> None:
        self._folder = make_private_folder()
        try:
            self.connection = new_connection(prepared.kernel, self._folder)
            file = write_connection_file(self.connection, prepared.kernel, self._folder)
            super().__init__(prepared, connection_file=str(file))
        except BaseException:
            remove_private_folder(self._folder)
            raise

    def end(self) -> None:
        super().end()
        remove_private_folder(self._folder)


class ForkedShell:
    """A shell in a child of a prepared process of the kind ``shell``."""

    def __init__(self, prepared: PreparedProcess) -> None:
        """Fork the shell.

        Raises:
            UnfitError: the prepared process cannot be forked.
        """
        from generator.runner.kernels.shell import ShellSession

        self.process = ForkedProcess(prepared)
        self._session = ShellSession(self.process)

    def begin(self, place: RunPlace) -> ForkedShell:
        """Let its run begin."""
        self._session.begin(place)
        return self

    def connect(self) -> KernelSession:
        """Return the session."""
        return self._session

    def discard(self) -> None:
        """End a shell that no run needs."""
        self._session.end()
