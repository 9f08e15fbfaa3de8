"""The first process of a container: starts the server, passes signals on, and collects orphaned processes.

No other process of a container does. Ended processes that a notebook left behind would stay as zombies until no process
can be started any more, and Linux drops a signal that process 1 does not handle, such as SIGTERM during the start.
"""

from __future__ import annotations

import ctypes
import os
import signal
from collections.abc import Callable
from contextlib import suppress

_PR_SET_CHILD_SUBREAPER = 36
_FORWARDED = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2)


def run_in_child(
    serve: Callable[[], int], *, on_wait: Callable[[], None] | None = None, interval: float | None = None
) -> int:
    """Call ``serve`` in a child process, and return its exit code when it ends; in the child, return that of ``serve``.

    Until then, ``on_wait`` is called every ``interval`` seconds in this process.

    The ENTRYPOINT of an image may be process 1 itself and collect nothing, so this process adopts what its own
    descendants leave (prctl(2), PR_SET_CHILD_SUBREAPER).
    """
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {*_FORWARDED, signal.SIGCHLD, signal.SIGALRM, signal.SIGTTOU})
    child = os.fork()
    if child:
        return _watch(child, on_wait or (lambda: None), interval if on_wait else None)
    os.setpgid(0, 0)  # Ctrl-C reaches the child alone, and once
    with suppress(OSError):  # no terminal
        os.tcsetpgrp(0, os.getpgrp())
    signal.pthread_sigmask(signal.SIG_SETMASK, before)
    return serve()


def _watch(child: int, on_wait: Callable[[], None], interval: float | None) -> int:
    """Pass signals on and collect ended processes until the child ends; return its exit code as a shell reports it."""
    while True:
        number = _next_signal(interval)
        if number is None:
            on_wait()
            continue
        if number != signal.SIGCHLD:
            os.kill(child, number)
            continue
        while (ended := os.waitpid(-1, os.WNOHANG))[0]:
            if ended[0] == child:
                code = os.waitstatus_to_exitcode(ended[1])
                return code if code >= 0 else 128 - code


def _next_signal(interval: float | None) -> int | None:
    """Wait for a signal; return None after ``interval`` seconds without one.

    `signal.sigtimedwait` would do so alone, but CPython (3.8 to 3.13) returns uninitialized memory if the process is
    suspended for longer than the interval (SIGSTOP), as by ``scontrol suspend``.
    """
    signal.setitimer(signal.ITIMER_REAL, interval or 0)
    number = signal.sigwait({*_FORWARDED, signal.SIGCHLD, signal.SIGALRM})
    return None if number == signal.SIGALRM else number
