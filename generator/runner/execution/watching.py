"""External events that end a run: signals, time limits, limits of what it writes, lack of memory."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

from generator.shared.failures import InterruptedRunError, OutputLimitError, RunFailedError, RunTimeLimitError
from generator.shared.write_limits import WriteLimits, watched

_OOM_COUNTERS = (Path("/sys/fs/cgroup/memory.events"), Path("/sys/fs/cgroup/memory/memory.oom_control"))


_watching = False
_deferring = False
_requested: list[RunFailedError] = []
_late: list[int] = []
"""Of signals that came while they were ignored."""
_AGAIN = 1.0
"""Seconds until an exception that an event loop swallowed is raised again."""
_LEAST = 1e-6
"""A timer of 0 seconds would never end."""


@contextmanager
def signals_as_failures(time_limit: float | None, *, spent: float = 0.0, grace: float = 0.0) -> Iterator[None]:
    """Raise SIGTERM, SIGINT, SIGHUP and the end of ``time_limit`` (seconds) as exceptions in the block.

    SIGHUP stays ignored if it is. An event loop may swallow the exception, so it is raised again until `ignore_signals`
    is called. Any exception that leaves the block is replaced by the first cause. ``spent`` seconds of the limit are
    over already. With ``grace``, the block may go on for so many seconds after the first signal, even one that the
    previous block ignored.

    Raises:
        InterruptedRunError: one of the signals arrived.
        RunTimeLimitError: the time limit passed.
    """
    global _watching  # noqa: PLW0603 - signal handlers are global to a process
    causes: list[RunFailedError] = []
    first = _late[:1] if grace else []
    _late.clear()
    left = max(time_limit - spent, _LEAST) if time_limit else 0.0

    def raise_cause(number: int, _frame: object) -> None:
        if grace and not first and not causes and number != signal.SIGALRM:
            first.append(number)
            signal.setitimer(signal.ITIMER_REAL, _earlier(signal.getitimer(signal.ITIMER_REAL)[0], grace))
            return
        if not causes:
            causes.append(_cause(first[0] if first else number, time_limit))
            signal.setitimer(signal.ITIMER_REAL, _AGAIN, _AGAIN)
        if not _deferring:
            raise causes[0]

    _watching = True
    before: dict[signal.Signals, Any] = {}
    try:  # begins here, since a limit may pass at once
        for number in _signals():
            before[number] = signal.signal(number, raise_cause)
        signal.setitimer(signal.ITIMER_REAL, _earlier(left, grace) if first else left)
        yield
    except BaseException:
        if causes:
            raise causes[0] from None
        raise
    finally:
        ignore_signals()
        _requested.clear()
        _watching = False
        for number, handler in before.items():
            signal.signal(number, handler)
    if causes:
        raise causes[0]


def _earlier(left: float, grace: float) -> float:
    """Return the seconds until a timer passes that may be off (0) and has to end after ``grace`` seconds."""
    return min(left or grace, grace)


def _cause(number: int, time_limit: float | None) -> RunFailedError:
    if number != signal.SIGALRM:
        return InterruptedRunError(number)
    if _requested:
        return _requested.pop()
    return RunTimeLimitError(f"the run exceeded its time limit of {time_limit or 0:g} s")


@contextmanager
def limited_writing(
    limits: WriteLimits, folders: Sequence[Path], *, given: Callable[[], int] = lambda: 0
) -> Iterator[None]:
    """Limit what the block writes to folders; within `signals_as_failures`, whose signals are ignored after it.

    ``given`` returns how many bytes in the folders are not what the run wrote.

    Raises:
        OutputLimitError: the folders exceed a limit, while the block runs or when it has ended, also with an error.
    """
    has_ended = False

    def measure() -> str:
        return limits.problem(folders, given=given())

    def end(problem: str) -> None:
        nonlocal has_ended
        if not has_ended:
            has_ended = True
            _requested.append(OutputLimitError(problem))
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGALRM)

    try:
        with watched(measure, end) if limits.are_set else nullcontext():
            yield
    finally:  # a run can write much and fail between two measurements
        ignore_signals()
        if problem := limits.problem(folders, given=given(), has_ended=True):
            raise OutputLimitError(problem)


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
    """Ignore further signals, so that saving is not interrupted; no effect outside `signals_as_failures`.

    A following block of `signals_as_failures` with a grace period ends after this period because of them.
    """
    if not _watching:
        return
    signal.setitimer(signal.ITIMER_REAL, 0)
    for number in _signals():
        signal.signal(number, _note_late)


def _signals() -> tuple[signal.Signals, ...]:
    """Return the signals that end a run: SIGHUP only if it is not ignored, as nohup has it."""
    hang_up = () if signal.getsignal(signal.SIGHUP) == signal.SIG_IGN else (signal.SIGHUP,)
    return (signal.SIGTERM, signal.SIGINT, *hang_up, signal.SIGALRM)


def _note_late(number: int, _frame: object) -> None:
    if number != signal.SIGALRM:
        _late.append(number)


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
