"""A disk that loses power: what was not synced is lost, as far as its file system and writes of the moment decide.

A file system in a file, mounted with a journal that is written once in ten minutes. A copy of the file, made at some
moment, has only what the file system has handed to its device until then: synced files, and nothing of what waits in
memory. Mounted in place of the first, which replays the journal, it is the disk after the loss of power.

Others who call sync(2) have more written than a power loss would leave. Thus a test may demand that synced files are
there, but not that others are lost (`test_power_loss.py::test_the_disk_loses_what_was_not_synced` tries that again).
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_SIZE = 256 << 20
_NAME = "losable-disk"
_MAKE = "mkfs.ext4 -q -F -m 0 -b 4096 -N 8192 -E nodiscard,lazy_itable_init=1,lazy_journal_init=1".split()
_MOUNT = ("mount", "-o", "loop,commit=600,barrier=0,noauto_da_alloc,noinit_itable")
"""``barrier=0``: the copy needs no device that flushes. ``noauto_da_alloc``: a file that replaces another one by a
rename is not synced by the file system itself."""


class DiskUnavailableError(Exception):
    """File systems cannot be mounted here."""


class LosableDisk:
    """A mounted file system that can lose power."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / _NAME
        self._folder, self._losses = folder, 0
        self._file = folder / "0.ext4"

    def mount(self) -> None:
        """Make and mount the empty file system.

        Raises:
            DiskUnavailableError: that is not possible here.
        """
        self.path.mkdir()
        with self._file.open("wb") as image:
            image.truncate(_SIZE)
        _do(*_MAKE, str(self._file))
        _do(*_MOUNT, str(self._file), str(self.path))

    def lose_power(self) -> None:
        """Lose what was not synced; the processes that used the disk have to be killed already."""
        self._losses += 1
        after = self._folder / f"{self._losses}.ext4"
        _copy_at_one_moment(self._file, after)
        self.unmount()
        self._file.unlink()
        self._file = after
        _do(*_MOUNT, str(after), str(self.path))

    def unmount(self) -> None:
        """Unmount the file system, once nobody uses it."""
        deadline = time.monotonic() + 10
        while self.path.is_mount() and time.monotonic() < deadline:
            if subprocess.run(("umount", self.path), capture_output=True, check=False).returncode:
                time.sleep(0.05)
        if self.path.is_mount():
            subprocess.run(("umount", "--lazy", self.path), check=False)


def unmount_below(folder: Path) -> None:
    """Unmount the disks in the folder of a run of the tests that was killed."""
    mounted = [Path(line.split()[1]) for line in Path("/proc/mounts").read_text().splitlines()]
    for place in mounted:
        if place.name == _NAME and place.is_relative_to(folder):
            subprocess.run(("umount", "--lazy", place), check=False)


def _copy_at_one_moment(file: Path, copy: Path) -> None:
    """Copy the file of a file system, again if the kernel wrote to it meanwhile: such a copy mixes two moments."""
    for _ in range(20):
        before = file.stat().st_mtime_ns
        subprocess.run(("cp", "--sparse=always", file, copy), check=True)
        if file.stat().st_mtime_ns == before:
            return
    raise AssertionError(f"{file}: written to all the time")


def _do(*command: str) -> None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError as error:
        raise DiskUnavailableError(f"{error.filename} is not installed") from None
    if done.returncode:
        raise DiskUnavailableError(f"{command[0]}: {done.stderr.strip()}")


@contextmanager
def losable_disk(folder: Path | None = None) -> Iterator[LosableDisk]:
    """Yield an empty disk, by default in the folder of this run, which unmounts it if the run is killed.

    Raises:
        DiskUnavailableError: this user, system or container may not mount file systems.
    """
    if os.geteuid() != 0:
        raise DiskUnavailableError("only root mounts file systems")
    folder = Path(tempfile.mkdtemp(prefix="power-", dir=folder))
    disk = LosableDisk(folder)
    try:
        disk.mount()
        yield disk
    finally:
        disk.unmount()
        if not disk.path.is_mount():
            shutil.rmtree(folder, ignore_errors=True)
