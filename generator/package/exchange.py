"""Exchange two folders in one step, so that a reader or a crash never finds neither."""

from __future__ import annotations

import ctypes
import os
from pathlib import Path

_AT_FDCWD, _RENAME_EXCHANGE = -100, 2


def exchange(one: Path, other: Path) -> bool:
    """Exchange two paths (renameat2(2), RENAME_EXCHANGE); False, with both unchanged, where this is not possible.

    Linux offers it for local file systems; NFS and other systems do not.
    """
    renameat2 = getattr(ctypes.CDLL(None), "renameat2", None)
    if renameat2 is None:
        return False
    return bool(renameat2(_AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other), _RENAME_EXCHANGE) == 0)
