"""Failures of git that may pass: server errors, limits and broken connections; and the repetition of commands."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import TypeVar

from generator.repository.gitpython import git

Result = TypeVar("Result")
pauses = (1.0, 5.0)
"""Seconds before each new attempt; git does not report the header ``Retry-After``."""
_LIMITED = r"returned error: 429\b|HTTP (code )?429\b"
_TEMPORARY = (
    r"returned error: (408|429|5\d\d)\b|HTTP (code )?(408|429|5\d\d)\b"
    r"|early EOF|unexpected disconnect|Empty reply from server|Connection reset|Operation too slow|transfer closed"
    r"|Recv failure|Send failure|unexpected eof|SSL_ERROR_SYSCALL|not closed cleanly"
    r"|non-properly terminated|GnuTLS recv error"
    r"|of body are still expected|bytes of length header were received"
)
"""How git and libcurl report them; refused connections and unknown hosts are not among them."""


def is_temporary(error: Exception) -> bool:
    """Whether the same command may succeed later."""
    return bool(re.search(_TEMPORARY, str(getattr(error, "stderr", None) or error)))


def explain_temporary(output: str) -> str:
    """Return what to do about a temporary failure in git's words; empty if it is another one."""
    if re.search(_LIMITED, output):
        return "the server limits requests, also when asked again; try again later"
    if re.search(_TEMPORARY, output):
        return "the server fails or ends the connection, also when asked again; try again later"
    return ""


def repeat(command: Callable[[], Result]) -> Result:
    """Run a command that only reads, again after a temporary failure.

    Raises:
        git.GitCommandError: it failed for another reason, or each time.
    """
    for pause in pauses:
        try:
            return command()
        except git.GitCommandError as error:
            if not is_temporary(error):
                raise
        time.sleep(pause)
    return command()
