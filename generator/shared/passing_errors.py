"""Errors of a machine that is short of something now, such as of space or processes, and has it again later."""

from __future__ import annotations

import errno

_NUMBERS = {errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS, errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EAGAIN}


def may_pass(error: BaseException) -> bool:
    """Return whether the same action may succeed later."""
    return isinstance(error, OSError) and error.errno in _NUMBERS
