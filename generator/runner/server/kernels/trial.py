"""Sessions of a notebook's first runs: they note what the notebook needs, and whether it bears a fork.

A library that was used when it was imported can wait in the child for a thread that exists in the parent only. All
threads of such a child wait for locks, without a time, and none wakes up. A run that waits for anything else, such as
a server, a time or a program, must not count as hanging: it would be repeated, with all that it did elsewhere.
"""

from __future__ import annotations

import os
import time
from collections.abc import Collection, Mapping
from contextlib import suppress
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
_READY_TIMEOUT = 20.0


class UnsuitedForkError(Exception):
    """The notebook does not bear a fork after its imports: the run must be repeated; the message has the reason."""


class TrialSession:
    """A session that notes comm messages, and raises `UnsuitedForkError` if a child with preloaded modules fails."""

    def __init__(self, session: KernelSession, process: ForkedProcess, *, patience: float | None) -> None:
        """``patience`` is how long, in seconds, the child may wait for locks alone; None without a watch."""
        self._session = session
        self.process = process
        self._patience = patience
        self._hung = False
        self.unsuited = ""
        """Why the child could not be used."""
        self.has_comms = False
        """Whether the notebook sent messages that only a kernel can."""
        self._killed = oom_kills()
        self._hang: HangWatch | None = None
        self._looked = 0.0

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
        if self._patience is not None:
            self._hang = self._hang or HangWatch(self.process.process_id, patience=self._patience, spares_others=True)
            self._hang.begin()

        def take(message: Message) -> None:
            if self._hang:
                self._hang.begin()
            self.has_comms = self.has_comms or message.kind.startswith("comm_")
            request.take(message)

        def watch() -> None:
            self._watch()
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

    def _watch(self) -> None:
        now = time.monotonic()
        if self._hang is None or now - self._looked < _INTERVAL:
            return
        self._looked = now
        if self._hang.is_hung():
            self._hung = True
            raise self._error("it waits for a lock without end")

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

    All threads of its session wait for locks, without a time, and none of them has woken up meanwhile.
    """

    def __init__(self, process_id: int, *, patience: float = 10.0, spares_others: bool = False) -> None:
        """``patience`` is how long, in seconds, the child may wait so.

        With ``spares_others``, the threads that it has now do not count, except for the main one: those of a kernel
        wait for messages.
        """
        self._process_id, self._patience = process_id, patience
        own = {thread.name for thread in _threads(process_id)} - {str(process_id)}
        self._spared = own if spares_others else set[str]()
        self.begin()

    def begin(self) -> None:
        """Note that the child works."""
        self._since = time.monotonic()
        self._waits: dict[str, str] | None = None

    def is_hung(self) -> bool:
        """Look at the child; call it regularly."""
        now, waits = time.monotonic(), _waits_for_locks(self._process_id, self._spared)
        if waits is None or waits != self._waits:
            self._since, self._waits = now, waits
        return now - self._since > self._patience


def _waits_for_locks(session: int, spared: Collection[str]) -> dict[str, str] | None:
    """Return how often each thread of a session has waited; None if one runs, or waits for anything but a lock."""
    waits = {}
    try:
        for thread in _threads(session):
            if thread.name not in spared:
                if not _waits_for_lock(thread):
                    return None
                lines = (thread / "status").read_text(encoding="utf-8", errors="replace").splitlines()
                waits[thread.name] = next(line for line in lines if line.startswith("voluntary_ctxt_switches:"))
    except (OSError, StopIteration):  # it has ended meanwhile
        return None
    return waits or None


def _threads(session: int) -> list[Path]:
    """Return the folder of each thread of the living processes of a session (proc(5), task)."""
    threads: list[Path] = []
    for process in _processes():
        with suppress(OSError):  # it has ended
            fields = _stat(process)
            if int(fields[3]) == session and fields[0] not in (b"Z", b"X"):
                threads += Path(process, "task").iterdir()
    return threads


def _waits_for_lock(thread: Path) -> bool:
    """Check whether a thread waits for a lock, and not only for a time (proc(5), wchan and syscall; futex(2)).

    Raises:
        OSError: it has ended, or may not be examined.
    """
    if not (thread / "wchan").read_text(encoding="ascii", errors="replace").startswith("futex"):
        return False
    try:
        call = (thread / "syscall").read_text(encoding="ascii").split()
    except OSError:  # not in every container, nor with a strict ptrace_scope: it may wait for a time
        return False
    return len(call) < 5 or int(call[4], 16) == 0  # "running" if it has just woken up


def _processes() -> list[str]:
    with os.scandir("/proc") as entries:
        return [entry.path for entry in entries if entry.name.isdigit()]


def _stat(process: str) -> list[bytes]:
    """Return the fields of a process's ``stat`` that follow its name (proc(5))."""
    return Path(process, "stat").read_bytes().rpartition(b") ")[2].split()
