"""Files that a notebook left open, at the end of its kernel."""

import contextlib
import gc
import io
import os
import stat


def flush_open_files():
    """Flush files that the notebook left open, before a thread that never ends can prevent it.

    Only what ``open`` returns, and subclasses: asking any other object for its class, or flushing it, could run code of
    a library. Regular files come first, because a full pipe would block.
    """
    kinds = (io.TextIOWrapper, io.BufferedWriter, io.BufferedRandom)
    found = [file for file in gc.get_objects() if issubclass(type(file), kinds)]
    typed = [(kind, file) for file in found for kind in kinds if issubclass(type(file), kind)]
    for kind, file in sorted(typed, key=lambda one: not _is_regular(*one)):
        with contextlib.suppress(Exception):
            kind.flush(file)


def _is_regular(kind, file):
    """Check whether an open file is a regular one."""
    try:
        return stat.S_ISREG(os.fstat(kind.fileno(file)).st_mode)
    except Exception:  # noqa: BLE001 - closed, detached, or not a file of the operating system
        return False
