"""Sessions of a notebook's first runs: they note what the notebook needs, and whether it bears a fork.

A library that was used when it was imported can wait in the child for a thread that exists in the parent only. Such a
child prints nothing, uses no processor time, and its main thread waits for a lock.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from generator.runner.execution.watching import oom_kills
from generator.runner.kernels.endings import KernelGoneError, NotReadyError
from generator.runner.kernels.forked import ForkedProcess
from generator.runner.kernels.interfaces import KernelSession
from generator.runner.kernels.messages import ExecuteRequest, Message, Take

_INTERVAL = 0.5
"""Seconds between two looks at a silent child."""
_BUSY = 0.05
"""Processor seconds per second with which a process is not idle."""
_NOT_A_LOCK = 6.0
"""How much longer a child may wait for other things than a lock, such as a server."""
_READY_TIMEOUT = 20.0


class UnsuitedForkError(Exception):
    """The notebook does not bear a fork after its imports: the run must be repeated; the message has the reason."""


class TrialSession:
    """A session that notes comm messages, and raises `UnsuitedForkError` if a child with preloaded modules fails."""

    def __init__(self, session: KernelSession, process: ForkedProcess, *, patience: float | None) -> None:
        """``patience`` is how long, in seconds, the child may wait silently for a lock; None without a watch."""
        self._session = session
        self.process = process
        self._patience = patience
        self._hung = False
        self.unsuited = ""
        """Why the child could not be used."""
        self.has_comms = False
        """Whether the notebook sent messages that only a kernel can."""
        self._killed = oom_kills()
        self._begin_silence()

    def wait_until_ready(self, timeout: float) -> dict[str, Any]:
        """Wait for the kernel and return its ``kernel_info_reply``."""
        try:
            if self._patience is None:
                return self._session.wait_until_ready(timeout)
            return self._session.wait_until_ready(min(timeout, _READY_TIMEOUT))
        except NotReadyError:
            raise self._error("the kernel did not start") from None
        except KernelGoneError:
            raise self._error("the kernel died at its start") from None

    def execute(self, request: ExecuteRequest) -> Message:
        """Run code and return its ``execute_reply``."""
        self._begin_silence()

        def take(message: Message) -> None:
            self._begin_silence()
            self.has_comms = self.has_comms or message.kind.startswith("comm_")
            request.take(message)

        def watch() -> None:
            if self._patience is not None:
                self._watch(self._patience)
            request.tick()

        try:
            return self._session.execute(replace(request, take=take, tick=watch))
        except KernelGoneError:
            self.process.ends_within(1)
            code_of_exit = self.process.exit_code()
            died = code_of_exit is not None and code_of_exit < 0 and oom_kills() == self._killed
            if died and self._patience is not None:
                raise self._error(f"the kernel was killed by signal {-(code_of_exit or 0)}") from None
            raise

    def _begin_silence(self) -> None:
        self._silent_since = self._looked = time.monotonic()
        self._used = -1.0

    def _watch(self, patience: float) -> None:
        now = time.monotonic()
        if now - self._looked < _INTERVAL:
            return
        self._looked = now
        used = processor_time(self.process.process_id)
        if self._used < 0 or used - self._used > _BUSY * (now - self._silent_since):
            self._silent_since, self._used = now, used
            return
        waits_for_lock = _waits_for_lock(self.process.process_id)
        limit = patience if waits_for_lock else patience * _NOT_A_LOCK
        if now - self._silent_since > limit:
            self._hung = True
            raise self._error("it waits for a lock without end" if waits_for_lock else "it waits without end")

    def _error(self, reason: str) -> UnsuitedForkError:
        self.unsuited = reason
        return UnsuitedForkError(reason)

    def interrupt(self, *, take: Take, patience: float) -> None:
        """Interrupt the running cell; a child that hangs is ended."""
        if self._hung:
            self.process.end()
        else:
            self._session.interrupt(take=take, patience=patience)

    def request_shutdown(self, *, take: Take, patience: float, grace: float | None = None) -> bool:
        """Ask the kernel to end; return whether it ended in time."""
        return self._hung or self._session.request_shutdown(take=take, patience=patience, grace=grace)

    def ask(self, code: str, *, take: Take, silent: bool = True, fields: Mapping[str, Any] | None = None) -> str | None:
        """Run code outside of the cells."""
        return self._session.ask(code, take=take, silent=silent, fields=fields)

    def wait_for_language_version(self, timeout: float, *, other_than: str) -> None:
        """Wait until the kernel knows the version of its language."""
        self._session.wait_for_language_version(timeout, other_than=other_than)

    def send_to_shell(self, kind: str, content: dict[str, Any], *, parent: str | None = None) -> None:
        """Send a message that expects no answer."""
        self._session.send_to_shell(kind, content, parent=parent)

    def check_losses(self) -> None:
        """Raise OutputLostError if the kernel dropped messages."""
        self._session.check_losses()

    def end(self) -> None:
        """End the kernel and close the connection."""
        self._session.end()


class HangWatch:
    """Watches a child that a fork of a process with used libraries made, for a hang that cannot end.

    Its threads all wait for locks, and no process of its session uses processor time.
    """

    def __init__(self, process_id: int, *, patience: float = 10.0) -> None:
        """``patience`` is how long, in seconds, the child may wait so."""
        self._process_id, self._patience = process_id, patience
        self._since = time.monotonic()
        self._used = processor_time(process_id)

    def is_hung(self) -> bool:
        """Look at the child; call it regularly."""
        now, used = time.monotonic(), processor_time(self._process_id)
        if used > self._used or not _all_threads_wait_for_locks(self._process_id):
            self._since, self._used = now, used
        return now - self._since > self._patience


def _all_threads_wait_for_locks(process_id: int) -> bool:
    try:
        threads = list(Path(f"/proc/{process_id}/task").iterdir())
        return all((one / "wchan").read_text(encoding="ascii", errors="replace").startswith("futex") for one in threads)
    except OSError:
        return False


def processor_time(session: int) -> float:
    """Return the processor seconds that the living processes of a session used (proc(5), stat)."""
    ticks = 0
    for entry in os.scandir("/proc"):
        if entry.name.isdigit():
            try:
                fields = Path(entry.path, "stat").read_bytes().rpartition(b") ")[2].split()
            except OSError:
                continue
            if int(fields[3]) == session:
                ticks += sum(map(int, fields[11:15]))
    return ticks / os.sysconf("SC_CLK_TCK")


def _waits_for_lock(process_id: int) -> bool:
    """Check whether a process's main thread waits for a lock (proc(5), wchan)."""
    try:
        return Path(f"/proc/{process_id}/wchan").read_text(encoding="ascii", errors="replace").startswith("futex")
    except OSError:
        return False
