"""The packages of a kernel's environment: whether any was installed, upgraded or removed since a moment."""

from __future__ import annotations

import os
from pathlib import Path

from generator.runner.kernels.specs import Kernel

_FOLDERS = ("lib/python3*/site-packages", "lib/python3*/dist-packages", "lib/python3/dist-packages")
_SYSTEM, _OF_ADMINISTRATORS = Path("/usr"), Path("/usr/local")
_BYTECODE = "__pycache__"

_Entries = frozenset[tuple[str, int]]


class InstalledPackages:
    """What was installed when this object was made.

    Every installer creates and removes entries of these folders, which changes a folder's time, and it gives a package
    of the same version another inode. Importing a module may create a folder for bytecode, which does not count.
    """

    def __init__(self, kernel: Kernel) -> None:
        prefix = Path(kernel.argv[0]).parent.parent
        prefixes = (prefix, _OF_ADMINISTRATORS) if prefix == _SYSTEM else (prefix,)
        folders = (folder for one in prefixes for pattern in _FOLDERS for folder in one.glob(pattern))
        self._known = {folder: (_time(folder), _entries(folder)) for folder in dict.fromkeys(folders)}

    def have_changed(self) -> bool:
        """Whether other packages are installed now."""
        for folder, (time, entries) in self._known.items():
            now = _time(folder)
            if now != time:
                if _entries(folder) != entries:
                    return True
                self._known[folder] = (now, entries)
        return False


def _time(folder: Path) -> int:
    try:
        return os.stat(folder).st_mtime_ns  # noqa: PTH116 - twice as quick
    except OSError:
        return 0


def _entries(folder: Path) -> _Entries:
    try:
        with os.scandir(folder) as entries:
            return frozenset((entry.name, entry.inode()) for entry in entries if entry.name != _BYTECODE)
    except OSError:
        return frozenset()
