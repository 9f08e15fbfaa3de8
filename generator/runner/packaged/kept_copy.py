"""A working copy or a home that a run left as it was, kept for the next run of the same repository by one process.

Copying and deleting files takes a fifth of a short run. A copy is used again only if nothing in it changed: the kernel
sets a file's ctime with every change of content, mode, links or times, and no program can set it (inode(7)). Its clock
moves in steps of some milliseconds, so the first run's changes may have the time of the copying itself: after that run
the content is compared, too.
"""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from generator.shared.removal import remove_tree

_CLOCK_STEP = 20_000_000
"""Nanoseconds; more than the longest step of the clock of file times (10 ms, time(7))."""


class State(NamedTuple):
    """What changes with any change of a file or folder; times in nanoseconds."""

    device: int
    inode: int
    mode: int
    links: int
    size: int
    modified: int
    changed: int


@dataclass(frozen=True, slots=True)
class Source:
    """A file, link or folder of the repository; ``relative`` is posix, from the repository's top."""

    path: Path
    relative: str
    state: State

    @property
    def is_folder(self) -> bool:
        """Whether it is a folder."""
        return stat.S_ISDIR(self.state.mode)

    @property
    def is_link(self) -> bool:
        """Whether it is a symbolic link."""
        return stat.S_ISLNK(self.state.mode)


def state_of(status: os.stat_result) -> State:
    """Return the state of a file or folder."""
    return State(
        status.st_dev,
        status.st_ino,
        status.st_mode,
        status.st_nlink,
        status.st_size,
        status.st_mtime_ns,
        status.st_ctime_ns,
    )


def read_states(folder: Path) -> dict[str, State]:
    """Return the states of everything below a folder by relative path; renaming the folder changes none of them.

    Raises:
        OSError: a folder cannot be read.
    """
    states: dict[str, State] = {}
    waiting = [(os.fspath(folder), "")]
    while waiting:
        place, prefix = waiting.pop()
        for entry in os.scandir(place):
            name = f"{prefix}{entry.name}"
            state = states[name] = state_of(entry.stat(follow_symlinks=False))
            if stat.S_ISDIR(state.mode):
                waiting.append((entry.path, f"{name}/"))
    return states


def content_of(sources: Iterable[Source], *further: object) -> object:
    """Return a value that is equal for working copies of the same files, made in the same way."""
    return tuple((one.relative, one.state) for one in sources), further


def is_true_copy(sources: Iterable[Source], copy: Path, states: dict[str, State]) -> bool:
    """Return whether a copy's files have the content of their sources, and any later change will show in its time."""
    files = {one.relative: os.fspath(one.path) for one in sources if not one.is_folder}
    return has_like_content(copy, files, states)


def await_clock() -> None:
    """Wait until a change of what was just written has another time."""
    time.sleep(_CLOCK_STEP / 1e9)


def has_like_content(copy: Path, files: Mapping[str, str], states: Mapping[str, State]) -> bool:
    """Return whether the files below ``copy`` are like those they were copied from, by relative path.

    It is not known while a change could have the time of the copying.
    """
    if any(state.changed > time.time_ns() - _CLOCK_STEP for state in states.values()):
        return False
    try:
        return all(
            Path(source).read_bytes() == (copy / name).read_bytes()
            for name, source in files.items()
            if stat.S_ISREG(states[name].mode)
        )
    except (OSError, KeyError):
        return False


class KeptCopy:
    """At most one working copy, at the place where all runs of a process have theirs."""

    def __init__(self, folder: Path) -> None:
        """Create ``folder``, on the file system of the runs' results; a run may put further files next to the copy.

        Raises:
            OSError: it cannot be created.
        """
        folder.mkdir(mode=0o700)
        self.folder = folder
        self.top = folder / "repository"
        """The working copy."""
        self.copied = 0
        """Bytes of large files in it, which its run has not written."""
        self._content: object = None
        self._states: dict[str, State] = {}

    def take(self, content: object) -> dict[str, State] | None:
        """Return the states of the copy; None, after its removal, if it has another content or has changed."""
        if self._content is not None and self._content == content and self._has_states(self._states):
            self._content = None
            return self._states
        self.remove()
        return None

    def keep(self, content: object, states: dict[str, State]) -> None:
        """Keep the copy for the next run if everything in it still has the states from before this one."""
        if self._has_states(states):
            self._content, self._states = content, states
            _clear(self.folder, but=self.top.name)
        else:
            self.remove()

    def remove(self) -> None:
        """Remove the copy, and what a run left next to it."""
        self._content = None
        _clear(self.folder)

    def _has_states(self, states: dict[str, State]) -> bool:
        try:
            return read_states(self.top) == states
        except OSError:
            return False


def _clear(folder: Path, *, but: str = "") -> None:
    """Remove everything in a folder except one entry."""
    with suppress(OSError):
        for entry in os.scandir(folder):
            if entry.name == but:
                continue
            if entry.is_dir(follow_symlinks=False):
                remove_tree(entry.path)
            else:
                Path(entry.path).unlink()


class KeptHome:
    """At most one folder of a run's home and caches that no run has changed.

    ``content`` is a value that is equal for folders that were made in the same way.
    """

    def __init__(self) -> None:
        self._folder: Path | None = None
        self._content: object = None
        self._states: dict[str, State] = {}
        self._copies: Mapping[str, str] = {}

    def take(self, content: object) -> Path | None:
        """Return the kept folder; None, after its removal, if it has another content or has changed."""
        if self._folder is None:
            return None
        if self._content == content and self._is_unchanged(self._folder):
            return self._folder
        self.remove()
        return None

    def watch(self, folder: Path, content: object, copies: Mapping[str, str]) -> None:
        """Note the states of a folder that was just made; ``copies`` are its copied files with their sources.

        Raises:
            OSError: the folder cannot be read.
        """
        self.remove()
        self._folder, self._content, self._copies = folder, content, copies
        self._states = _states_of_home(folder)

    def keep(self) -> None:
        """Keep the folder for the next run if this one has not changed it; remove it otherwise."""
        if self._folder is not None and not (self._is_unchanged(self._folder) and self._is_true_copy(self._folder)):
            self.remove()

    def remove(self) -> None:
        """Remove the folder."""
        if self._folder is not None:
            remove_tree(self._folder)
            self._folder = None

    def _is_unchanged(self, folder: Path) -> bool:
        try:
            return _states_of_home(folder) == self._states
        except OSError:
            return False

    def _is_true_copy(self, folder: Path) -> bool:
        """Return whether the copied files are like their sources; later changes will show in their times."""
        if not self._copies:
            return True
        is_true = has_like_content(folder, self._copies, self._states)
        self._copies = {}
        return is_true


def _states_of_home(folder: Path) -> dict[str, State]:
    """Return the states in a home; kernels write to ``runtime`` and leave it empty, so its times do not count."""
    states = read_states(folder)
    if runtime := states.get("runtime"):
        states["runtime"] = runtime._replace(links=0, size=0, modified=0, changed=0)
    return states
