"""The end of a process that has to stop before its own end."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from generator.subprocesses.interruptions import deferred_interruptions


def terminate(process: subprocess.Popen[bytes]) -> None:
    """Terminate a process, and kill it if it takes longer than ten seconds."""
    process.terminate()
    try:
        process.wait(timeout=10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


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
