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
from collections.abc import Iterator, Mapping, MutableMapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from generator.runner.packaged.kept_copy import State, state_of
from generator.shared.passing_errors import may_pass

_HOME = "home"
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
    """Set HOME and the variables of caches and settings to writable folders, new ones below ``folder`` where needed.

    Raises:
        OSError: they cannot be made, such as on a full disk.
    """
    plan = plan_home(image_home, environment)
    plan.make(folder)
    plan.set_variables(folder, environment)


@dataclass(frozen=True, slots=True)
class Entry:
    """A folder, a copy of a file, or a link in a home that is to be made; ``relative`` is posix."""

    kind: Literal["folder", "copy", "link"]
    relative: str
    source: str = ""
    state: State | None = None
    """The state of a file that is copied."""

    def make(self, folder: Path) -> None:
        """Make it below a folder.

        Raises:
            OSError: it cannot be made.
        """
        target = folder / self.relative
        if self.kind == "folder":
            target.mkdir()
        elif self.kind == "link":
            target.symlink_to(self.source)
        else:
            shutil.copy2(self.source, target)
            target.chmod(stat.S_IMODE(target.stat().st_mode) | stat.S_IRUSR | stat.S_IWUSR)


@dataclass(frozen=True, slots=True)
class HomePlan:
    """What the folder of a home and caches gets; equal plans give equal folders, unless there are ``settings``."""

    entries: tuple[Entry, ...] = ()
    """Folders come before what is in them."""
    settings: tuple[Path, ...] = ()
    """Files and folders that are linked over those of the home."""
    variables: tuple[tuple[str, str], ...] = ()
    """Variables with the paths below the folder that they are set to."""
    absent: tuple[tuple[str, str], ...] = ()
    """The same for variables that are set if they have no value."""

    @property
    def copies(self) -> dict[str, str]:
        """The copied files with their sources."""
        return {entry.relative: entry.source for entry in self.entries if entry.kind == "copy"}

    def make(self, folder: Path) -> None:
        """Fill an empty folder; files that were removed meanwhile, or may not be read, are left out.

        Raises:
            OSError: the disk is full, or another error that may pass.
        """
        (folder / "runtime").mkdir(mode=0o700, exist_ok=True)
        for entry in self.entries:
            with _suppress_lasting_errors():
                entry.make(folder)
        for source in self.settings:
            _link(source, folder / _HOME / source.name)

    def set_variables(self, folder: Path, environment: MutableMapping[str, str]) -> None:
        """Set the variables to the paths in a folder that was made."""
        environment["JUPYTER_RUNTIME_DIR"] = str(folder / "runtime")
        environment.setdefault("USER", "jovyan")
        environment.update({name: str(folder / relative) for name, relative in self.variables})
        for name, relative in self.absent:
            environment.setdefault(name, str(folder / relative))


def plan_home(image_home: Path | None, environment: Mapping[str, str]) -> HomePlan:
    """Plan the folder of a run's home and caches; nothing is changed."""
    given = Path(environment.get("HOME") or "/nowhere")
    if image_home is None or not image_home.is_dir():
        variables = [(name, name.lower()) for name in _OF_PROGRAMS[:4]]
        if not os.access(given, os.W_OK):
            variables.append(("HOME", "."))
        return HomePlan(variables=tuple(variables))
    entries: list[Entry] = []
    variables = []
    settings: tuple[Path, ...] = ()
    if not _is_chosen_by_user(given, image_home):
        entries += _Tree().entries(image_home, _HOME, copies=".")
        settings = _settings(given)
        variables.append(("HOME", _HOME))
    for name in _OF_PROGRAMS:
        value = environment.get(name)
        if value and not os.access(value, os.W_OK):
            entries += _Tree().entries(Path(value), name.lower())
            variables.append((name, name.lower()))
    return HomePlan(tuple(entries), settings, tuple(variables), absent=(("NUMBA_CACHE_DIR", "numba"),))


def _is_chosen_by_user(given: Path, image_home: Path) -> bool:
    """Return whether HOME is writable and the image's own, or one that a user mounted: not an engine's work folder."""
    if not os.access(given, os.W_OK):
        return False
    if given.resolve() == image_home.resolve():
        return True
    folders = (Path.cwd(), Path(tempfile.gettempdir()), Path("/tmp"), Path("/"))  # noqa: S108 - compared alone
    return not any(given.resolve() == one.resolve() for one in folders) and any(given.iterdir())


def _settings(given: Path) -> tuple[Path, ...]:
    """Return the hidden files that ``start`` wrote to the engine's HOME, such as ``.gitconfig``."""
    entries = sorted(given.glob(".*")) if given.is_dir() else []
    return tuple(entry for entry in entries if not entry.name.startswith(".packmill-"))


def _link(source: Path, target: Path) -> None:
    """Link a file or folder over what the image has there; folders are merged."""
    if target.is_dir() and not target.is_symlink() and source.is_dir():
        for entry in source.iterdir():
            _link(entry, target / entry.name)
        return
    with _suppress_lasting_errors():
        target.unlink(missing_ok=True)
        target.symlink_to(source.absolute())


@contextmanager
def _suppress_lasting_errors() -> Iterator[None]:
    """Suppress errors of single files, but none that may pass: later runs could get a folder that lacks files."""
    try:
        yield
    except OSError as error:
        if may_pass(error):
            raise


@dataclass(slots=True)
class _Tree:
    """The limits of a tree of copies and links."""

    most: int = _MOST_ENTRIES
    budget: int = _COPY_BUDGET

    def entries(self, source: Path, name: str, *, copies: str = "") -> Iterator[Entry]:
        """Yield a writable folder ``name`` with the content of ``source``, which may be missing or unreadable.

        Small files are copied if the name of their topmost folder or file begins with ``copies``.
        """
        yield Entry("folder", name)
        folders = deque([(source, name, "")])
        while folders:
            here, there, top = folders.popleft()
            with suppress(OSError):  # of another user
                for entry in sorted(os.scandir(here), key=lambda one: one.name):
                    relative = f"{there}/{entry.name}"
                    if self._is_folder(entry):
                        yield Entry("folder", relative)
                        folders.append((Path(entry.path), relative, top or entry.name))
                    elif (top or entry.name).startswith(copies) and self._is_copied(entry):
                        yield Entry("copy", relative, entry.path, state_of(entry.stat(follow_symlinks=False)))
                    else:
                        yield Entry("link", relative, entry.path)

    def _is_folder(self, entry: os.DirEntry[str]) -> bool:
        self.most -= 1
        return self.most > 0 and entry.is_dir(follow_symlinks=False) and entry.name not in _AS_A_WHOLE

    def _is_copied(self, entry: os.DirEntry[str]) -> bool:
        """Return whether it is a small regular file that can be read."""
        status = entry.stat(follow_symlinks=False)
        small = status.st_size <= min(_COPY_LIMIT, self.budget)
        if self.most <= 0 or not small or not stat.S_ISREG(status.st_mode) or not os.access(entry.path, os.R_OK):
            return False
        self.budget -= status.st_size
        return True
