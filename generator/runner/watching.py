"""What happens to a run from outside: signals, time limits, memory."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from generator.runner.failures import InterruptedRunError, RunTimeLimitError

_OOM_COUNTERS = (Path("/sys/fs/cgroup/memory.events"), Path("/sys/fs/cgroup/memory/memory.oom_control"))


@contextmanager
def watched(time_limit: float | None) -> Iterator[None]:
    """Turns SIGTERM, SIGINT and the end of ``time_limit`` (seconds) into exceptions at the line that runs.

    Raises:
        InterruptedRunError, RunTimeLimitError: inside the block.
    """

    def interrupted(number: int, _frame: object) -> None:
        signal.signal(number, signal.SIG_IGN)  # what is being saved now is not disturbed again
        raise InterruptedRunError(number)

    def timed_out(_number: int, _frame: object) -> None:
        raise RunTimeLimitError(f"the run took longer than its limit of {time_limit:g} s")

    handlers = {signal.SIGTERM: interrupted, signal.SIGINT: interrupted, signal.SIGALRM: timed_out}
    before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    if time_limit:
        signal.setitimer(signal.ITIMER_REAL, time_limit)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        for number, handler in before.items():
            signal.signal(number, handler)


def oom_kills() -> int:
    """How often the kernel of the operating system killed something in this container for want of memory."""
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
    """The most memory that a process has held so far, in bytes; None when it is gone (proc(5), VmHWM)."""
    try:
        status = Path(f"/proc/{process_id}/status").read_text(encoding="ascii", errors="replace")
    except OSError:
        return None
    peak = next((line for line in status.splitlines() if line.startswith("VmHWM:")), None)
    return int(peak.split()[1]) * 1024 if peak else None
