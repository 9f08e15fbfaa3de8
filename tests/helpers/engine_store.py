"""A store of its own for an engine that a run of the tests starts, on a file system that ends with the run.

Removing the images and caches of a whole run one by one takes minutes, unmounting a file system takes a moment. It has
no journal and flushes nothing to the disk, because nobody reads it after the run.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from pathlib import Path

_LEAST, _MOST = 40 << 30, 200 << 30
"""Bytes: the free space that a store needs, and its largest size. Only written blocks take space."""
_MAKE = "mkfs.ext4 -q -F -O ^has_journal -m 0 -i 8192 -E nodiscard,lazy_itable_init=1".split()


def create_store(folder: Path) -> tuple[str, ...]:
    """Mount an empty file system in the folder of a run; return the options with which dockerd uses it.

    Without the rights, the programs or the space, there are no options: then the engine has its usual store.
    """
    free = shutil.disk_usage(folder).free
    if os.geteuid() != 0 or free < _LEAST or _is_in_memory(folder):
        return ()
    file, place = _file(folder), _place(folder)
    with file.open("wb") as image:
        image.truncate(min(free, _MOST))
    place.mkdir()
    if _succeeds(*_MAKE, str(file)) and _succeeds("mount", "-o", "loop,noatime,barrier=0", str(file), str(place)):
        return ("--data-root", str(place / "docker"))
    file.unlink()
    return ()


def has_store(folder: Path) -> bool:
    """Return whether the engine of the run in ``folder`` has a store of its own."""
    return _file(folder).exists()


def remove_store(folder: Path) -> None:
    """Unmount the store of an engine that has ended; its file ends with the folder of the run."""
    deadline = time.monotonic() + 10
    while _place(folder).is_mount() and time.monotonic() < deadline:
        if not _succeeds("umount", str(_place(folder))):
            time.sleep(0.1)
    if _place(folder).is_mount():  # a container of a killed engine may live on
        _succeeds("umount", "--lazy", str(_place(folder)))


def _file(folder: Path) -> Path:
    return folder / "store.ext4"


def _place(folder: Path) -> Path:
    return folder / "store"


def _is_in_memory(folder: Path) -> bool:
    found = subprocess.run(("stat", "-f", "-c%T", folder), capture_output=True, text=True, check=False)
    return found.stdout.strip() in {"tmpfs", "ramfs"}


def _succeeds(*command: str) -> bool:
    try:
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        return False
