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
_NUMBERS |= {errno.ESTALE, errno.ETIMEDOUT}  # of a file server
_NO_THREAD = "can't start new thread"


def may_pass(error: BaseException) -> bool:
    """Return whether the same action may succeed later."""
    return isinstance(error, OSError) and error.errno in _NUMBERS


def is_full_disk(error: BaseException) -> bool:
    """Return whether an error means that the disk, or the quota of the user, is used up."""
    return isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)


def is_shortage(error: BaseException) -> bool:
    """Return whether an error is one of the machine, which may pass, or was raised because of one.

    A `MemoryError` that was replaced by another error does not count: Python's parser also raises it for expressions
    that are nested too deeply, which readers report as a mistake.
    """
    if isinstance(error, MemoryError):
        return True
    cause: BaseException | None = error
    while cause is not None:
        if may_pass(cause) or (isinstance(cause, RuntimeError) and str(cause) == _NO_THREAD):
            return True
        cause = cause.__cause__ or cause.__context__
    return False


def insist(
    action: Callable[[], _Result], *, patience: float, passes: Callable[[OSError], bool] = lambda _error: True
) -> _Result:
    """Return the result of an action, which is tried again for ``patience`` seconds while its error may pass.

    Of the errors that may pass (`may_pass`), only those for which ``passes`` is true count.

    Raises:
        OSError: the action failed for that long, or with another error.
    """
    deadline, pause = time.monotonic() + patience, 0.1
    while True:
        try:
            return action()
        except OSError as error:
            if not (may_pass(error) and passes(error)) or time.monotonic() > deadline:
                raise
        time.sleep(pause)
        pause = min(2 * pause, _LONGEST_PAUSE)
