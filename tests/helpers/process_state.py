"""State of the process that a test could pass on to later ones on the same worker."""

from __future__ import annotations

import csv
import decimal
import locale
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD, signal.SIGALRM, signal.SIGPIPE)


@contextmanager
def same_state_afterwards() -> Iterator[None]:
    """Undo changes of the body to the working directory, umask, signal handlers, locale and limits of modules."""
    folder, mask, language, limits = os.getcwd(), _umask(), locale.setlocale(locale.LC_ALL), _limits()
    handlers = {number: signal.getsignal(number) for number in _SIGNALS}
    numbers = decimal.getcontext().copy()
    try:
        yield
    finally:
        os.chdir(folder)
        os.umask(mask)
        if locale.setlocale(locale.LC_ALL) != language:
            locale.setlocale(locale.LC_ALL, language)
        for number, handler in handlers.items():
            if signal.getsignal(number) is not handler and handler is not None:  # None: not of Python's making
                signal.signal(number, handler)
        decimal.setcontext(numbers)
        if _limits() != limits:
            csv.field_size_limit(limits[0])
            sys.setrecursionlimit(limits[1])


def _umask() -> int:
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


def _limits() -> tuple[int, int]:
    return csv.field_size_limit(), sys.getrecursionlimit()
