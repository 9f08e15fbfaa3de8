"""The log of a running service: lines on stderr, which are lost if they cannot be written."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import suppress


def surviving(say: Callable[[str], None]) -> Callable[[str], None]:
    """Return ``say`` without errors: a full disk or a pipe without a reader must not end the thread that reports.

    Lines that cannot be written are lost.
    """

    def write(line: str) -> None:
        with suppress(OSError, ValueError):
            say(line)

    return write


log = surviving(lambda line: print(f"packmill: {line}", file=sys.stderr, flush=True))
"""Write a line to the log of the service; never raise for a log that cannot be written."""
