"""What a run needs of a kernel, however it was started: its process and a session with it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from generator.runner.kernels.messages import ExecuteRequest, Message, Take
from generator.runner.kernels.process import Connection
from generator.runner.kernels.specs import Kernel


class Process(Protocol):
    """A kernel's process."""

    kernel: Kernel
    peak_memory: int | None

    @property
    def process_id(self) -> int:
        """The id of the process."""

    def exit_code(self) -> int | None:
        """Return the exit code; None while the process runs, negative after a signal."""

    def end(self) -> None:
        """End the process and what it started, and set ``peak_memory`` (bytes)."""


class ConnectedProcess(Process, Protocol):
    """A kernel's process with the sockets of Jupyter's messaging protocol."""

    connection: Connection
    fileno: int | None
    """A descriptor that becomes readable when the process exits."""
    keeps_output: bool
    """Whether the kernel keeps all output until it is read."""

    def interrupt(self) -> None:
        """Send SIGINT to the kernel and its children."""


class KernelSession(Protocol):
    """The messages exchanged with one kernel."""

    @property
    def process(self) -> Process:
        """The kernel's process."""

    def wait_until_ready(self, timeout: float) -> dict[str, Any]:
        """Wait for the kernel and return its ``kernel_info_reply``."""

    def execute(self, request: ExecuteRequest) -> Message:
        """Run code and return its ``execute_reply``."""

    def ask(self, code: str, *, take: Take, silent: bool = True, fields: Mapping[str, Any] | None = None) -> str | None:
        """Run code outside of the cells and return its output or its error."""

    def wait_for_language_version(self, timeout: float, *, other_than: str) -> None:
        """Ask until the kernel knows the version of its language, or ``timeout`` seconds have passed."""

    def send_to_shell(self, kind: str, content: dict[str, Any], *, parent: str | None = None) -> None:
        """Send a message that expects no answer, such as those of widgets."""

    def check_losses(self) -> None:
        """Raise OutputLostError if the kernel dropped messages."""

    def interrupt(self, *, take: Take, patience: float) -> None:
        """Interrupt the running cell and handle its messages for at most ``patience`` seconds."""

    def request_shutdown(self, *, take: Take, patience: float, grace: float | None = None) -> bool:
        """Ask the kernel to end and handle its last messages; return whether it ended in time."""

    def end(self) -> None:
        """End the kernel and close the connection."""
