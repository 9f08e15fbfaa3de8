"""Files that a power loss leaves whole: contents reach the disk before names and records that point to them.

A file that got its name by a rename can be empty after a power loss, because most file systems write names before
contents: `tests/security/crashes/test_power_loss.py` shows it on ext4.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

_NOT_OPENED = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENXIO, errno.EACCES, errno.EPERM, errno.ENAMETOOLONG)
"""A file was removed, or is a link, a socket, or one that a notebook protected or put where no path leads."""
_CANNOT_SYNC = (errno.EINVAL, errno.ENOTSUP, errno.ENOSYS, errno.EBADF)
"""Of file systems that have no such call for folders, such as some in user space."""


def sync(path: Path) -> None:
    """Write a file, or the names in a folder, to the disk; one that was removed meanwhile needs nothing.

    Raises:
        OSError: the disk is full or broken.
    """
    _sync(path)


def _sync(path: str | Path, flags: int = 0, folder: int | None = None) -> None:
    with _opened(path, flags, folder) as descriptor:
        if descriptor is not None:
            _write(descriptor)


@contextmanager
def _opened(path: str | Path, flags: int, folder: int | None = None) -> Iterator[int | None]:
    """Open a file or folder; yield None for one that needs nothing."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | flags, dir_fd=folder)
    except OSError as error:
        if error.errno not in _NOT_OPENED:
            raise
        yield None
        return
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _write(descriptor: int) -> None:
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in _CANNOT_SYNC:
            raise


def flush(file: BinaryIO) -> None:
    """Write the content of an open file to the disk: before it is renamed by a thread that may not wait."""
    file.flush()
    os.fsync(file.fileno())


def sync_tree(top: Path) -> None:
    """Write a folder with all that is in it to the disk, except for what links lead to; see `sync`.

    Programs that may write there can put links in the places of folders meanwhile.
    """
    real = Path(os.path.realpath(Path(top).parent), Path(top).name)
    waiting = [Path(top)]  # not os.walk, which calls itself for each level before Python 3.12
    while waiting:
        folder, inside = waiting.pop(), list[os.DirEntry[str]]()
        with _opened(folder, os.O_DIRECTORY | os.O_NOFOLLOW) as descriptor:
            if descriptor is None or _is_elsewhere(descriptor, real):
                continue
            with suppress(OSError), os.scandir(descriptor) as entries:
                inside = list(entries)
            for entry in inside:
                if entry.is_dir(follow_symlinks=False):
                    waiting.append(folder / entry.name)
                else:
                    _sync(entry.name, os.O_NOFOLLOW, descriptor)
            _write(descriptor)


def _is_elsewhere(descriptor: int, top: Path) -> bool:
    """Return whether the path of an opened folder led out of another one, through a link above it."""
    try:
        return not Path(os.readlink(f"/proc/self/fd/{descriptor}")).is_relative_to(top)
    except OSError:  # not Linux, or a path that is too long to be shown
        return False


def make_folder(folder: Path, mode: int = 0o777) -> None:
    """Create a folder, and missing ones above it, on the disk as well.

    Raises:
        OSError: it cannot be created.
    """
    missing = [one for one in (folder, *folder.parents) if not one.exists()]
    folder.mkdir(mode, parents=True, exist_ok=True)
    for one in missing:
        sync(one.parent)


def replace(new: Path, final: Path) -> None:
    """Give a complete file its name, on the disk as well.

    Raises:
        OSError: it cannot be written or renamed.
    """
    sync(new)
    new.replace(final)
    sync(final.parent)


def sync_file_system(folder: Path) -> None:
    """Write everything of the file system that has a folder to the disk: cheaper than many files one by one.

    Raises:
        OSError: the disk is full or broken.
    """
    import ctypes  # which most users of this module do not need

    syncfs = getattr(ctypes.CDLL(None, use_errno=True), "syncfs", None)
    if syncfs is None:
        os.sync()
        return
    descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        if syncfs(descriptor):
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number), str(folder))
    finally:
        os.close(descriptor)


def boot() -> str:
    """Return the ID of the machine's current start (random(4)), which a power loss ends; empty without such IDs."""
    with suppress(OSError):
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    return ""
