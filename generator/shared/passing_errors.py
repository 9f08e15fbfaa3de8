"""Errors of a machine that is short of something now, such as of space or processes, and has it again later."""

from __future__ import annotations

import errno
import time
from collections.abc import Callable
from typing import TypeVar

_LONGEST_PAUSE = 10.0
"""Seconds between two attempts."""
_Result = TypeVar("_Result")
_NUMBERS = {errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS, errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EAGAIN}


def may_pass(error: BaseException) -> bool:
    """Return whether the same action may succeed later."""
    return isinstance(error, OSError) and error.errno in _NUMBERS


def insist(action: Callable[[], _Result], *, patience: float) -> _Result:
    """Return the result of an action, which is tried again for ``patience`` seconds while its error may pass.

    Raises:
        OSError: the action failed for that long, or with another error.
    """
    deadline, pause = time.monotonic() + patience, 0.1
    while True:
        try:
            return action()
        except OSError as error:
            if not may_pass(error) or time.monotonic() > deadline:
                raise
        time.sleep(pause)
        pause = min(2 * pause, _LONGEST_PAUSE)
