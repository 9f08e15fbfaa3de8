"""The process that started this one, and its end."""

from __future__ import annotations

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def end_with_parent(parent: int) -> None:
    """Have this process get SIGTERM when its parent ends, however that happens (prctl(2), PR_SET_PDEATHSIG).

    Linux takes the end of the thread that started this process for the parent's. Other systems send nothing.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    if has_lost_parent(parent):  # before the call
        signal.raise_signal(signal.SIGTERM)


def has_lost_parent(parent: int) -> bool:
    """Tell whether the process with this ID, which started this one, has ended."""
    return os.getppid() != parent
