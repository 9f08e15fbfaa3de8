"""Another user than root, who may not read everything."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

_NOBODY = 65534


@contextmanager
def as_another_user() -> Iterator[None]:
    """Take root's rights from this process for a while; the folder of a test is then reached as the current one."""
    user = os.geteuid()
    if user == 0:
        os.seteuid(_NOBODY)
    try:
        yield
    finally:
        os.seteuid(user)
