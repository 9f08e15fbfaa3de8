"""External events that end a run: signals, time limits, lack of memory."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from generator.shared.failures import InterruptedRunError, RunFailedError, RunTimeLimitError

_OOM_COUNTERS = (Path("/sys/fs/cgroup/memory.events"), Path("/sys/fs/cgroup/memory/memory.oom_control"))


_watching = False
_deferring = False
_AGAIN = 1.0
"""Seconds until an exception that an event loop swallowed is raised again."""


@contextmanager
def signals_as_failures(time_limit: float | None) -> Iterator[None]:
    """Raise SIGTERM, SIGINT, SIGHUP and the end of ``time_limit`` (seconds) as exceptions in the block.

    An event loop may swallow the exception, so it is raised again until `ignore_signals` is called. Any exception that
    leaves the block is replaced by the first cause.

    Raises:
        InterruptedRunError: one of the signals arrived.
        RunTimeLimitError: the time limit passed.
    """
    global _watching  # noqa: PLW0603 - signal handlers are global to a process
    causes: list[RunFailedError] = []

    def raise_cause(number: int, _frame: object) -> None:
        if not causes:
            limit = f"the run exceeded its time limit of {time_limit or 0:g} s"
            causes.append(RunTimeLimitError(limit) if number == signal.SIGALRM else InterruptedRunError(number))
            signal.setitimer(signal.ITIMER_REAL, _AGAIN, _AGAIN)
        if not _deferring:
            raise causes[0]

    _watching = True
    numbers = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGALRM)
    before = {number: signal.signal(number, raise_cause) for number in numbers}
    if time_limit:
        signal.setitimer(signal.ITIMER_REAL, time_limit)
    try:
        yield
    except BaseException:
        if causes:
            raise causes[0] from None
        raise
    finally:
        ignore_signals()
        _watching = False
        for number, handler in before.items():
            signal.signal(number, handler)
    if causes:
        raise causes[0]


@contextmanager
def deferred_signals() -> Iterator[None]:
    """Hold signals back while the block runs; their exception is raised within a second after it."""
    global _deferring  # noqa: PLW0603 - signal handlers are global to a process
    _deferring = True
    try:
        yield
    finally:
        _deferring = False


def ignore_signals() -> None:
    """Ignore further signals, so that saving is not interrupted; no effect outside `signals_as_failures`."""
    if not _watching:
        return
    signal.setitimer(signal.ITIMER_REAL, 0)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGALRM):
        signal.signal(number, signal.SIG_IGN)


def oom_kills() -> int:
    """Count the processes that the operating system killed in this container because memory ran out."""
    for counter in _OOM_COUNTERS:
        try:
            lines = counter.read_text(encoding="ascii").splitlines()
        except OSError:
            continue
        for line in lines:
            if line.startswith("oom_kill "):
                return int(line.split()[1])
    return 0


def peak_memory(process_id: int) -> int | None:
    """Return a process's peak memory in bytes; None if it does not exist (proc(5), VmHWM)."""
    try:
        status = Path(f"/proc/{process_id}/status").read_text(encoding="ascii", errors="replace")
    except OSError:
        return None
    peak = next((line for line in status.splitlines() if line.startswith("VmHWM:")), None)
    return int(peak.split()[1]) * 1024 if peak else None
