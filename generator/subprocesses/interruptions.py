"""Interruptions, such as Ctrl-C, while something is being cleaned up."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def deferred_interruptions() -> Iterator[None]:
    """Hold back Ctrl-C, SIGTERM and SIGHUP while the block runs; the first that came takes effect after it.

    A terminal sends Ctrl-C to the commands of the block, too: give them a session of their own. Only the main thread
    is interrupted, so other threads need nothing.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[int] = []
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    before = {number: handler for number, handler in before.items() if handler not in (None, signal.SIG_IGN)}
    try:
        for number in before:
            signal.signal(number, lambda number, _frame: came.append(number))
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        if came:
            signal.raise_signal(came[0])
