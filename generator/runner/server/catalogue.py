"""The notebooks below the served folder, with their interfaces; read again only when a file has changed."""

from __future__ import annotations

import logging
import math
import os
import posixpath
import threading
import time
from collections import deque
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from hashlib import sha256
from itertools import islice
from pathlib import Path

from generator.notebook.dialects.sidecar import sidecar_of
from generator.notebook.interface import Interface
from generator.notebook.interface_reading import read_interface
from generator.notebook.notebook import Notebook, read_notebook
from generator.notebook.stage_ins import folders_below
from generator.notebook.text_formats import NOTEBOOK, as_notebook, is_notebook_name, notebook_stem
from generator.runner.server.operation.logs import log
from generator.runner.server.problems import ProblemError
from generator.runner.server.text_notebooks import TextNotebooks
from generator.shared.errors import PackmillError
from generator.shared.file_names import is_portable
from generator.shared.passing_errors import is_shortage, may_pass
from generator.shared.regular_files import open_regular_file

_MOST = 10_000
"""Notebooks that are listed."""
_LARGEST_LISTED = 64 << 20
"""Bytes of a notebook that is read for the list of all."""
_LARGEST = 256 << 20
"""Bytes of a notebook that is read at all."""
_MOST_ENTRIES = 500_000
"""Files and folders that are looked at for the list."""
_LIST_AGE = 2.0
"""Seconds for which a list of files is used again, at least."""
_SHARE = 20
"""A list is used again for this many times as long as it took."""
_MISTAKE_AGE = 60.0
"""Seconds for which the error of a notebook that packmill fails to read is used again: its cause may be elsewhere."""
_HIDDEN = ("node_modules", "__pycache__", "site-packages", "dist-packages")
_ENVIRONMENTS = ("pyvenv.cfg", "conda-meta")
"""Names in the top folder of an environment, whose notebooks are those of packages."""

_Version = tuple[int, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class ServedNotebook:
    """One notebook; ``error`` tells why it cannot run."""

    path: str
    """Posix, relative to the served folder."""
    notebook: Notebook | None
    interface: Interface
    version: str = ""
    """A digest of the file."""
    error: str | None = None
    is_unavailable: bool = False
    """Whether the error is one of the machine, which may pass."""

    @property
    def title(self) -> str:
        """The first heading, or the file's name."""
        return (self.notebook.title if self.notebook else "") or notebook_stem(posixpath.basename(self.path))

    @property
    def language(self) -> str:
        """The language in lower case."""
        return (self.notebook.language if self.notebook else "") or "python"


class Catalogue:
    """The notebooks of one folder; for use from several threads."""

    def __init__(
        self,
        root: Path,
        *,
        left_out: Collection[Path] = (),
        is_result: Callable[[str], bool] = lambda _: False,
    ) -> None:
        """Notebooks below the folders ``left_out`` are not served: the server's own data may be in its folder.

        ``is_result`` is whether a path is that of an executed notebook, which is not in the list of all notebooks.
        """
        self._is_result = is_result
        self.root = root.resolve()
        self.left_out = tuple(folder.resolve() for folder in left_out)
        self._known: dict[str, tuple[_Version, float, ServedNotebook]] = {}
        """What was read of files, with the times until which it is used again."""
        self._listed: tuple[float, tuple[str, ...]] = (0.0, ())
        self._guard = threading.Lock()
        self._texts = TextNotebooks()

    def get(self, path: str) -> ServedNotebook:
        """Return a notebook.

        Raises:
            ProblemError: 404, the path is not a notebook below the folder, or a link leads out of it; 503, the machine
                cannot read it now, as when it has too many open files.
        """
        normal = posixpath.normpath(path)
        if known := self._read_before(normal, _version(self.root / normal)):  # the same file, below the folder
            return known
        try:
            file = self._file(normal)
        except OSError as error:
            raise unavailable(path, error) from None
        if file is None:
            raise ProblemError(404, f"notebook {path!r}: not found; GET /notebooks lists what is served")
        served = self._read(normal, file)
        if served.is_unavailable:
            raise _unavailable(served.error or "")
        return served

    def all(self) -> tuple[ServedNotebook, ...]:
        """Return all notebooks but results, sorted by path; of large ones, only the name is known."""
        found = ((path, file) for path, file in self.files() if not self._is_result(path))
        return tuple(_unread(path) if _is_large(file) else self._read(path, file) for path, file in found)

    def files(self) -> Iterator[tuple[str, Path]]:
        """Return the paths of all notebooks, sorted, with their files, without reading them."""
        found = ((path, self._readable_file(path)) for path in self._paths())
        return ((path, file) for path, file in found if file is not None)

    def named(self, name: str) -> tuple[str, ...]:
        """Return the paths of the notebooks with a file name, sorted."""
        ending = f"/{name}"
        found = (path for path in self._paths() if path == name or path.endswith(ending))
        return tuple(path for path in found if self._readable_file(path) is not None)

    def forget_files(self) -> None:
        """Forget the list of files, because a new one may be missing in it."""
        self._listed = (0.0, ())

    def note_file(self, path: str) -> None:
        """Add a file that was written to the list, which is not made again for it."""
        until, paths = self._listed
        if paths and path not in paths:
            self._listed = (until, tuple(sorted((*paths, path))))

    def _paths(self) -> tuple[str, ...]:
        until, paths = self._listed
        began = time.monotonic()
        if began >= until:
            paths = tuple(sorted(islice(self._walk(), _MOST)))
            ended = time.monotonic()
            self._listed = (ended + max(_LIST_AGE, _SHARE * (ended - began)), paths)
        return paths

    def _walk(self) -> Iterator[str]:
        """Return the notebooks, those near the top first if there are too many entries to look at."""
        left_out = set(map(str, self.left_out))
        waiting = deque([""])
        left = _MOST_ENTRIES
        while waiting and left > 0:
            folder = waiting.popleft()
            entries = _entries(f"{self.root}/{folder}")
            left -= len(entries)
            if folder and any(entry.name in _ENVIRONMENTS for entry in entries):
                continue
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    if _is_shown(entry.name) and f"{self.root}/{folder}{entry.name}" not in left_out:
                        waiting.append(f"{folder}{entry.name}/")
                elif self._may_list(entry) and not _is_folder(entry):
                    yield f"{folder}{entry.name}"

    def _may_list(self, entry: os.DirEntry[str]) -> bool:
        if not is_notebook_name(entry.name) or not _is_shown(entry.name):
            return False
        try:
            return entry.name.endswith(NOTEBOOK) or self._texts.has(entry.path)
        except OSError:
            return False

    def _file(self, path: str) -> Path | None:
        """Return the file of a notebook's normal path; None if it may not be served.

        Raises:
            OSError: the machine cannot read it now.
        """
        parts = path.split("/")
        if path.startswith("/") or "\0" in path or not is_notebook_name(path) or not all(map(_is_shown, parts)):
            return None
        try:
            file = (self.root / path).resolve()
            served = file.is_relative_to(self.root) and file.is_file()
            served = served and not any(file.is_relative_to(folder) for folder in self.left_out)
        except (OSError, ValueError, RuntimeError) as error:
            if may_pass(error):
                raise
            return None
        return file if served and (path.endswith(NOTEBOOK) or self._texts.has(str(file))) else None

    def _readable_file(self, path: str) -> Path | None:
        try:
            return self._file(path)
        except OSError:
            return None

    def _read(self, path: str, file: Path) -> ServedNotebook:
        version = _version(self.root / path)
        if known := self._read_before(path, version):
            return known
        served, age = self._understand(path, file)
        with self._guard:
            if len(self._known) > _MOST:
                self._known.clear()
            if version and age:
                self._known[path] = (version, time.monotonic() + age, served)
        return served

    def _read_before(self, path: str, version: _Version | None) -> ServedNotebook | None:
        known = self._known.get(path)
        return known[2] if known and known[0] == version and time.monotonic() < known[1] else None

    def _understand(self, path: str, file: Path) -> tuple[ServedNotebook, float]:
        """Return a notebook, and the seconds for which it is used again as long as its file stays the same."""
        notebook, version = None, ""
        try:
            data = _read_file(file)
            version = sha256(data).hexdigest()[:12]
            notebook = read_notebook(as_notebook(data, path), path)
            folder = posixpath.dirname(path)
            interface = read_interface(
                notebook, folder=folder, is_folder=folders_below(self.root, folder), sidecar=sidecar_of(self.root, path)
            )
        except Exception as error:  # noqa: BLE001 - a mistake of ours in one notebook must not hide all others
            problem, age = _problem(path, error)
            passes = is_shortage(error)
        else:
            return ServedNotebook(path=path, notebook=notebook, interface=interface, version=version), math.inf
        served = ServedNotebook(
            path=path,
            notebook=notebook,
            interface=Interface(),
            version=version,
            error=problem,
            is_unavailable=passes,
        )
        return served, age


def _problem(path: str, error: Exception) -> tuple[str, float]:
    """Return the problem of a notebook, and the seconds for which it is kept."""
    if is_shortage(error):
        return _not_now(path, error), 0
    if isinstance(error, PackmillError):
        return str(error), math.inf
    if isinstance(error, OSError):  # such as rights of a folder, which change without the file
        return str(error), 0
    return unreadable(path, error), _MISTAKE_AGE


def unavailable(path: str, error: BaseException) -> ProblemError:
    """Return the error of a notebook that the machine cannot read now."""
    return _unavailable(_not_now(path, error))


def _unavailable(problem: str) -> ProblemError:
    log("a notebook cannot be read now", level=logging.WARNING, reason=problem)
    return ProblemError(503, problem, headers={"Retry-After": "10"})


def _not_now(path: str, error: BaseException) -> str:
    reason = (error.strerror if isinstance(error, OSError) else str(error)) or type(error).__name__
    return f"{path}: cannot be read now ({reason}); try again later"


def unreadable(path: str, error: Exception) -> str:
    """Return the problem of a notebook that packmill fails to read, and log where it failed."""
    log("a notebook cannot be read", level=logging.ERROR, error=error, notebook=path)
    return f"{path}: packmill cannot read it ({type(error).__name__}); the log of the server has the details"


def _read_file(file: Path) -> bytes:
    """Return the content of a notebook's file.

    Raises:
        OSError: it cannot be read, is too large, or another kind of file has its name by now.
    """
    with open_regular_file(file) as stream:
        size = os.fstat(stream.fileno()).st_size
        if size > _LARGEST:
            raise OSError(f"larger than {_LARGEST >> 20} MiB, the limit for notebooks")
        return stream.read(size)


def _is_large(file: Path) -> bool:
    try:
        return file.stat().st_size > _LARGEST_LISTED
    except OSError:
        return False


def _unread(path: str) -> ServedNotebook:
    return ServedNotebook(path=path, notebook=None, interface=Interface())


def _version(file: Path) -> _Version | None:
    """Return what changes with the notebook at this path, or with the YAML file next to it; None without a notebook."""
    own = _status(str(file))
    stem = notebook_stem(str(file))
    return (*own, *_status(f"{stem}.yaml"), *_status(f"{stem}.yml")) if own else None


def _status(path: str) -> _Version:
    try:
        status = os.stat(path)  # noqa: PTH116 - twice as quick
    except (OSError, ValueError):
        return ()
    return status.st_dev, status.st_ino, status.st_mtime_ns, status.st_size


def _entries(folder: str) -> list[os.DirEntry[str]]:
    """Return the entries of a folder; none if it cannot be read."""
    try:
        with os.scandir(folder) as entries:
            return list(islice(entries, _MOST_ENTRIES))
    except OSError:
        return []


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        return False


def _is_shown(name: str) -> bool:
    return not name.startswith(".") and name not in _HIDDEN and is_portable(name)
