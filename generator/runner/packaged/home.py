"""The home folder of a run: writable, outside of the results, and with the files of the image's home folder.

An engine gives a run an empty HOME, often the folder of its outputs, while models and settings that ``postBuild`` left
in ``~`` are in the image's home folder, which is read-only. So a run gets a temporary one: folders of its own, copies
of small hidden files, which are settings, and links to the others.
"""

from __future__ import annotations

import os
import pwd
import shutil
import stat
import tempfile
from collections import deque
from collections.abc import Mapping, MutableMapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_COPY_LIMIT = 64 * 1024
"""Bytes of a file that is copied, so that a run can change it."""
_COPY_BUDGET = 16 * 1024**2
_MOST_ENTRIES = 2000
"""Entries that are copied or linked one by one; folders after these become links, and are read-only."""
_AS_A_WHOLE = {"site-packages", "dist-packages", ".git"}
_OF_PROGRAMS = ("IPYTHONDIR", "MPLCONFIGDIR", "NUMBA_CACHE_DIR", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME")
"""Variables with folders in which programs write caches and settings."""


def find_image_home(note: Mapping[str, Any]) -> Path | None:
    """Return the home folder of the image's user by the note of its build; None without one."""
    if note.get("home"):
        return Path(note["home"])
    name = str(note.get("user", "")).partition(":")[0]
    with suppress(KeyError):
        if name:
            return Path((pwd.getpwuid(int(name)) if name.isdecimal() else pwd.getpwnam(name)).pw_dir)
    return None


def prepare_home(folder: Path, image_home: Path | None, environment: MutableMapping[str, str]) -> None:
    """Set HOME and the variables of caches and settings to writable folders, new ones below ``folder`` where needed."""
    (folder / "runtime").mkdir(mode=0o700, exist_ok=True)
    environment["JUPYTER_RUNTIME_DIR"] = str(folder / "runtime")
    environment.setdefault("USER", "jovyan")
    given = Path(environment.get("HOME") or "/nowhere")
    if image_home is None or not image_home.is_dir():
        for name in _OF_PROGRAMS[:4]:
            environment[name] = str(folder / name.lower())
        if not os.access(given, os.W_OK):
            environment["HOME"] = str(folder)
        return
    if not _is_chosen_by_user(given, image_home):
        home = folder / "home"
        _Tree().add(image_home, home, copies=".")
        _add_settings(given, home)
        environment["HOME"] = str(home)
    for name in _OF_PROGRAMS:
        value = environment.get(name)
        if value and not os.access(value, os.W_OK):
            _Tree().add(Path(value), folder / name.lower())
            environment[name] = str(folder / name.lower())
    environment.setdefault("NUMBA_CACHE_DIR", str(folder / "numba"))


def _is_chosen_by_user(given: Path, image_home: Path) -> bool:
    """Return whether HOME is writable and the image's own, or one that a user mounted: not an engine's work folder."""
    if not os.access(given, os.W_OK):
        return False
    if given.resolve() == image_home.resolve():
        return True
    folders = (Path.cwd(), Path(tempfile.gettempdir()), Path("/tmp"), Path("/"))  # noqa: S108 - compared alone
    return not any(given.resolve() == one.resolve() for one in folders) and any(given.iterdir())


def _add_settings(given: Path, home: Path) -> None:
    """Link the hidden files that ``start`` wrote to the engine's HOME, such as ``.gitconfig``."""
    entries = sorted(given.glob(".*")) if given.is_dir() else []
    for entry in entries:
        if not entry.name.startswith(".packmill-"):
            _link(entry, home / entry.name)


def _link(source: Path, target: Path) -> None:
    """Link a file or folder over what the image has there; folders are merged."""
    if target.is_dir() and not target.is_symlink() and source.is_dir():
        for entry in source.iterdir():
            _link(entry, target / entry.name)
        return
    with suppress(OSError):
        target.unlink(missing_ok=True)
        target.symlink_to(source.absolute())


@dataclass(slots=True)
class _Tree:
    """The limits of a tree of copies and links."""

    entries: int = _MOST_ENTRIES
    budget: int = _COPY_BUDGET

    def add(self, source: Path, target: Path, *, copies: str = "") -> None:
        """Make ``target`` a writable folder with the content of ``source``, which may be missing or unreadable.

        Small files are copied if the name of their topmost folder or file begins with ``copies``.
        """
        target.mkdir(parents=True)
        folders = deque([(source, target, "")])
        while folders:
            here, there, top = folders.popleft()
            with suppress(OSError):  # of another user
                for entry in sorted(os.scandir(here), key=lambda one: one.name):
                    name = there / entry.name
                    if self._is_folder(entry):
                        name.mkdir()
                        folders.append((Path(entry.path), name, top or entry.name))
                    elif not ((top or entry.name).startswith(copies) and self._is_copied(entry, name)):
                        name.symlink_to(entry.path)

    def _is_folder(self, entry: os.DirEntry[str]) -> bool:
        self.entries -= 1
        return self.entries > 0 and entry.is_dir(follow_symlinks=False) and entry.name not in _AS_A_WHOLE

    def _is_copied(self, entry: os.DirEntry[str], target: Path) -> bool:
        """Copy a small regular file that can be read; return whether it was."""
        status = entry.stat(follow_symlinks=False)
        small = status.st_size <= min(_COPY_LIMIT, self.budget)
        if self.entries <= 0 or not small or not stat.S_ISREG(status.st_mode) or not os.access(entry.path, os.R_OK):
            return False
        shutil.copy2(entry.path, target)
        target.chmod(stat.S_IMODE(status.st_mode) | stat.S_IRUSR | stat.S_IWUSR)
        self.budget -= status.st_size
        return True
