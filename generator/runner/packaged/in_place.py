"""A notebook that runs in its own folder, as in Jupyter: it finds all files there, and what it writes stays there.

For folders that are too large to copy and that belong to the user who runs the notebook, such as a home. Declared
outputs are copied to the output directory, so that a run has them as any other.
"""

from __future__ import annotations

import glob
import os
import posixpath
import shutil
from collections.abc import Collection, Iterable, Iterator, MutableMapping
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import chain, islice
from pathlib import Path

from generator.runner.packaged.copy_limits import CopyLimits, copy_whole
from generator.runner.packaged.kept_copy import KeptCopy
from generator.runner.packaged.repository_location import RepositoryLocation
from generator.shared.file_names import shown_name
from generator.shared.folder_levels import walk
from generator.shared.output_patterns import alternatives
from generator.shared.passing_errors import is_full_disk

_MOST_MATCHES = 10_000
_IPYTHON_SETTINGS = (
    "extensions",
    "profile_default/startup",
    "profile_default/ipython_config.py",
    "profile_default/ipython_config.json",
    "profile_default/ipython_kernel_config.py",
    "profile_default/ipython_kernel_config.json",
)

_Fingerprint = tuple[int, int, int]


@dataclass(slots=True)
class NotebookFolder:
    """The folder of the process below ``top``, in place of a working copy (`Workspace`)."""

    top: Path
    process: str
    _patterns: tuple[str, ...] = ()
    _before: dict[str, tuple[Path, _Fingerprint]] = field(default_factory=dict)

    @property
    def folder(self) -> str:
        """The folder of the process, posix, relative to ``top``."""
        return posixpath.dirname(self.process)

    @property
    def directory(self) -> Path:
        """The directory that the process runs in."""
        return self.top / self.folder

    def fill(
        self,
        place: RepositoryLocation,  # noqa: ARG002 - that of a working copy
        *,
        written: Iterable[str] = (),
        left_out: Collection[Path] = (),  # noqa: ARG002
        kept: KeptCopy | None = None,  # noqa: ARG002
    ) -> None:
        """Note which files match a glob of ``written`` before the run."""
        self._patterns = tuple(dict.fromkeys(written))
        self._before = self._find()

    def collect(self, output: Path, *, reserved: Iterable[str] = (), limits: CopyLimits | None = None) -> list[str]:
        """Copy new and changed files that match to ``output`` and return warnings.

        Raises:
            OSError: the disk is full.
            OutputLimitError: the copies would exceed the limits of the run.
        """
        limits = limits or CopyLimits()
        taken = frozenset(reserved)
        warnings = []
        for path, (file, fingerprint) in self._find().items():
            if self._before.get(path) == (file, fingerprint) or path.split("/")[0] in taken:
                continue
            if os.path.lexists(output / path):
                warnings.append(f"{shown_name(path)}: not collected: the run has another file of this name")
                continue
            try:
                limits.admit(file.stat())
                (output / path).parent.mkdir(parents=True, exist_ok=True)
                copy_whole(file, output / path, shutil.copyfile)
            except OSError as error:
                if is_full_disk(error):
                    raise
                warnings.append(f"{shown_name(path)}: not collected: {error.strerror or error}")
        return warnings

    def _find(self) -> dict[str, tuple[Path, _Fingerprint]]:
        """Return the regular files that match, by their paths in the output directory; at most some thousands."""
        found: dict[str, tuple[Path, _Fingerprint]] = {}
        for base, path in islice(chain.from_iterable(map(self._matches, self._patterns)), _MOST_MATCHES):
            with suppress(OSError):  # removed meanwhile
                status = (base / path).stat()
                found[path] = (base / path, (status.st_mtime_ns, status.st_size, status.st_ino))
        return found

    def _matches(self, pattern: str) -> Iterator[tuple[Path, str]]:
        """Return matches in the process's folder, else in the one at the top: files written with ``../``."""
        for base in dict.fromkeys((self.directory, self.top)):
            if base != self.directory and "**" in pattern:
                return
            for reading in alternatives(pattern):
                found = [path for path in map(posixpath.normpath, _glob(reading, base)) if not path.startswith("/")]
                files = (file for path in found for file in _regular_files(base, path))
                if found:
                    yield from ((base, file) for file in files)
                    return


def _glob(pattern: str, folder: Path) -> Iterator[str]:
    """Return the matches of a pattern in a folder; ``**`` follows no links, which may lead anywhere from a home."""
    head, mark, tail = pattern.partition("**")
    if not mark:  # Path.glob finds hidden files, too
        yield from glob.iglob(pattern, root_dir=folder)  # noqa: PTH207
        return
    for start in glob.iglob(head, root_dir=folder) if head else ("",):  # noqa: PTH207
        for root, folders, _ in walk(folder / start):
            folders[:] = [name for name in folders if not name.startswith(".")]
            inside = os.path.relpath(root, folder)
            yield from (posixpath.join(inside, found) for found in _glob(tail.lstrip("/") or "*", root))


def _regular_files(base: Path, path: str) -> Iterator[str]:
    """Return a file, or the files of a folder, as paths relative to ``base``; links are left out."""
    if (base / path).is_symlink() or path.startswith(".."):
        return
    if (base / path).is_file():
        yield path
    for root, _, names in walk(base / path):
        for file in (root / name for name in names):
            if file.is_file() and not file.is_symlink():
                yield file.relative_to(base).as_posix()


def prepare_own_home(folder: Path, environment: MutableMapping[str, str]) -> None:
    """Leave HOME and caches as they are; IPython's history and Jupyter's connection files go to ``folder``.

    IPython's settings and startup files are linked, so that they apply. Its history would store every cell in the
    user's home, including injected secrets.
    """
    (folder / "runtime").mkdir(mode=0o700)
    environment["JUPYTER_RUNTIME_DIR"] = str(folder / "runtime")
    own = Path(environment.get("IPYTHONDIR") or Path(environment.get("HOME") or "/", ".ipython"))
    target = folder / "ipython"
    (target / "profile_default").mkdir(parents=True)
    for name in _IPYTHON_SETTINGS:
        if (own / name).exists():
            (target / name).symlink_to((own / name).absolute())
    environment["IPYTHONDIR"] = str(target)
