"""The end of a process that has to stop before its own end."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from generator.subprocesses.interruptions import deferred_interruptions

_GRACE = 10.0
"""Seconds between SIGTERM and SIGKILL."""


def terminate(process: subprocess.Popen[bytes]) -> None:
    """Terminate a process, and kill it if it takes longer than ten seconds."""
    process.terminate()
    try:
        process.wait(timeout=_GRACE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def terminate_with_children(process: subprocess.Popen[bytes]) -> None:
    """Terminate a process and its children, and kill them if the process takes longer than ten seconds.

    Docker's command before version 25 ignores SIGTERM while its plugin runs; once it is killed, the plugin goes on.
    """
    signal_with_children(process)
    try:
        process.wait(timeout=_GRACE)
    except subprocess.TimeoutExpired:
        signal_with_children(process, signal.SIGKILL)
        process.wait()


def signal_with_children(process: subprocess.Popen[bytes], number: int = signal.SIGTERM) -> None:
    """Send a signal to a process and to its children, unless it has ended."""
    if has_ended(process):
        return
    children = _children(process.pid)
    process.send_signal(number)
    for child in children:
        with suppress(ProcessLookupError, PermissionError):
            os.kill(child, number)


def has_ended(process: subprocess.Popen[bytes]) -> bool:
    """Check whether a process has ended."""
    with deferred_interruptions():  # one within `poll` can leave its lock locked, and then `wait` never ends
        return process.poll() is not None


def _children(process: int) -> list[int]:
    """Return the process IDs of the children of all threads; none where the kernel does not list them."""
    found: list[int] = []
    for path in Path(f"/proc/{process}/task").glob("*/children"):
        with suppress(OSError):
            found += map(int, path.read_text(encoding="ascii").split())
    return found


def kill(process: subprocess.Popen[bytes]) -> None:
    """Kill a process."""
    process.kill()
    process.wait()


@contextmanager
def ended_on_failure(
    start: Callable[[], subprocess.Popen[bytes]], *, end: Callable[[subprocess.Popen[bytes]], None] = terminate
) -> Iterator[subprocess.Popen[bytes]]:
    """Start a process, end it if the block fails or is interrupted, and close its pipes after the block."""
    process = None
    try:
        with deferred_interruptions():  # an exception within Popen would lose the process that it has started
            process = start()
        yield process
    except BaseException:
        if process is not None:
            with deferred_interruptions():  # what it started is removed once it has ended
                end(process)
        raise
    finally:
        if process is not None:
            with process:  # closes its pipes
                pass
