"""The working copy of the repository that a process runs in, from which new and changed files are collected.

In Jupyter a notebook reads ``data/x.csv``, imports a module next to it and overwrites ``figure.png``. In a container
the repository is read-only and results must be kept apart. So the process runs in a copy: small files and expected
outputs are copied, large files are linked, and afterwards new and changed files are moved to the output directory.

A run would change a large file that this user may write through its link. In an image with one run, that is a result
like any other. Elsewhere it is the user's own file, which is copied, too; where it is too large, the run fails.
"""

from __future__ import annotations

import errno
import fnmatch
import os
import posixpath
import shutil
import stat
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from generator.notebook.literals import MisfitError, shorten
from generator.notebook.stage_outs import output_path
from generator.runner.packaged.copy_limits import CopyLimits, copy_whole
from generator.runner.packaged.file_copies import SMALL, CopyBudget, copy, is_writable
from generator.runner.packaged.kept_copy import (
    KeptCopy,
    Source,
    State,
    await_clock,
    content_of,
    is_true_copy,
    read_states,
    state_of,
)
from generator.runner.packaged.links import copy_link_target
from generator.runner.packaged.repository_location import RepositoryLocation
from generator.runner.packaged.tidying import make_usable
from generator.shared.file_names import shown_name
from generator.shared.folder_levels import too_deep, walk
from generator.shared.output_patterns import alternatives
from generator.shared.passing_errors import is_full_disk

_REPLACED = (errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.EINVAL, errno.ELOOP)
"""Errors with a file that was removed, or replaced by one of another kind, since it was listed."""
_NEVER = {".git", ".ipynb_checkpoints", "__pycache__"}


@dataclass(slots=True)
class Workspace:
    """A working copy at ``top``; the process runs in ``directory``."""

    top: Path
    process: str
    _before: dict[str, tuple[int, int, int]] = field(default_factory=dict)
    _folders: set[str] = field(default_factory=set)
    budget: CopyBudget = field(default_factory=CopyBudget)
    _own: dict[str, tuple[Path, tuple[int, int, int]]] = field(default_factory=dict)
    """Files of the repository itself that links lead to and that this user may write, as they were before the run."""
    _takes_own: bool = False
    """Whether such a file that has changed is a result."""
    _is_filled: bool = False
    _content: object = None
    _fresh: tuple[Source, ...] = ()
    """The sources of a copy that this run has made, until it is known to be like them."""
    _states: dict[str, State] = field(default_factory=dict)

    @property
    def folder(self) -> str:
        """The folder of the process, posix, relative to the repository's top."""
        return posixpath.dirname(self.process)

    @property
    def directory(self) -> Path:
        """The directory that the process runs in."""
        return self.top / self.folder

    def fill(
        self,
        place: RepositoryLocation,
        *,
        written: Iterable[str] = (),
        left_out: Collection[Path] = (),
        kept: KeptCopy | None = None,
    ) -> None:
        """Copy or link the repository's files; those that match a glob of ``written`` are always copied.

        The folders ``left_out``, absolute and without links, are not part of the copy. A ``kept`` copy of the same
        files is used again.
        """
        anywhere = [one for pattern in written for one in (pattern, pattern.replace("**/", ""))]
        patterns = tuple(reading for pattern in anywhere for reading in alternatives(pattern))
        sources = tuple(self._find_sources(place, left_out))
        self._is_filled = True
        self._takes_own = place.is_in_image and kept is None
        if kept is not None:
            self._content = content_of(sources, patterns, self.folder)
            states = kept.take(self._content)
            if states is not None:
                self._set_states(states)
                self._note_own(sources)
                self.budget.copied = kept.copied
                return
        self.top.mkdir(parents=True)
        inside = {str(one.path): one.relative for one in sources}
        for one in sources:
            if one.is_folder:
                (self.top / one.relative).mkdir()
                self._folders.add(one.relative)
            else:
                self._copy_or_link(one, patterns, inside)
        self._note_own(sources)
        if kept is not None:
            kept.copied = self.budget.copied
            self._set_states(read_states(self.top))
            self._fresh = tuple(one for one in sources if one.is_folder or one.state.size <= SMALL)
            if len(self._fresh) < len(sources):  # large files would take long to compare
                await_clock()

    def _find_sources(self, place: RepositoryLocation, left_out: Collection[Path]) -> Iterator[Source]:
        """Yield what belongs in the copy, folders before their content."""
        waiting = [(place.folder, "")]
        while waiting:
            folder, prefix = waiting.pop()
            for entry in _list_folder(folder):
                if not self._is_included(entry.name, place, at_top=not prefix):
                    continue
                path = Path(entry.path)
                try:
                    state = state_of(entry.stat(follow_symlinks=False))
                except FileNotFoundError:  # removed meanwhile
                    continue
                one = Source(path, f"{prefix}{entry.name}", state)
                if not one.is_folder:
                    yield one
                elif path not in left_out:
                    yield one
                    waiting.append((path, f"{one.relative}/"))

    def _is_included(self, name: str, place: RepositoryLocation, *, at_top: bool) -> bool:
        return name not in _NEVER and not (at_top and name.startswith(".") and name not in place.hidden)

    def _set_states(self, states: dict[str, State]) -> None:
        """Note the states of a copy that may be kept."""
        self._states = states
        self._folders = {name for name, state in states.items() if stat.S_ISDIR(state.mode)}
        self._before = {
            name: (state.modified, state.size, state.inode)
            for name, state in states.items()
            if name not in self._folders
        }

    def leave_to(self, kept: KeptCopy) -> None:
        """Leave the copy to the next run if this one has not changed it; call it after `collect`."""
        if not self._is_filled:
            return
        if self._states and (not self._fresh or is_true_copy(self._fresh, self.top, self._states)):
            kept.keep(self._content, self._states)
        else:
            kept.remove()

    def _copy_or_link(self, one: Source, patterns: tuple[str, ...], inside: Mapping[str, str]) -> None:
        source, relative, target = one.path, one.relative, self.top / one.relative
        try:
            if one.is_link:
                link, real = os.readlink(source), os.path.realpath(source)
                if os.path.isabs(link):  # one into the repository leads to its copy
                    link = os.path.relpath(inside[real], posixpath.dirname(relative)) if real in inside else real
                target.symlink_to(link)
            elif not self._copy(one, target, patterns):
                target.symlink_to(source)
        except OSError as error:
            if error.errno in _REPLACED:
                return
            raise
        self._before[relative] = _fingerprint(target)

    def _copy(self, one: Source, target: Path, patterns: tuple[str, ...]) -> bool:
        """Copy a file; return False for one that becomes a link.

        Pipes, sockets and devices do, because reading them could take for ever.
        """
        size = one.state.size
        if not stat.S_ISREG(one.state.mode):
            return False
        if self.budget.takes_small(size) or any(
            fnmatch.fnmatchcase(self._output_of(one.relative), pattern) for pattern in patterns
        ):
            self.budget.small -= size
            return copy(one.path, target)
        if self._takes_own or not is_writable(one.path):
            return False
        return self.budget.copy_large(one.path, target, size)

    def _note_own(self, sources: Iterable[Source]) -> None:
        """Note the repository's own files that the run can change through a link of the working copy."""
        for one in sources:
            if stat.S_ISREG(one.state.mode) and (self.top / one.relative).is_symlink() and is_writable(one.path):
                self._own[one.relative] = one.path, (one.state.modified, one.state.size, one.state.inode)

    def _has_changed(self, relative: str) -> bool:
        """Whether a file of the repository itself has changed since the copy was filled."""
        path, before = self._own[relative]
        try:
            return _fingerprint(path) != before
        except OSError:
            return True

    def changed_sources(self) -> list[str]:
        """Return which files of the user's folder the run has changed, as it had links to them in place of copies."""
        return [] if self._takes_own else [relative for relative in self._own if self._has_changed(relative)]

    def _output_of(self, relative: str) -> str:
        inside = posixpath.relpath(relative, self.folder or ".")
        try:
            return output_path(inside, self.folder)
        except MisfitError:
            return relative

    def collect(self, output: Path, *, reserved: Iterable[str] = (), limits: CopyLimits | None = None) -> list[str]:
        """Move new and changed files to ``output`` and return warnings.

        Links are resolved first, while their targets are in place. A name is that of the file of the process's folder
        before that of another. Files whose name exists or is ``reserved`` go to ``repository/`` below the output
        directory, with a warning.

        Raises:
            OSError: the disk is full.
            OutputLimitError: what links lead to would exceed the limits of the run.
        """
        taken = frozenset(reserved)
        warnings: list[str] = []
        if not self._is_filled or not self.top.is_dir():  # the run was refused before, or removed it
            return []
        make_usable(self.top)
        links, files, folders = self._find_written(warnings)
        own = {self._output_of(path) for path in (*links, *files) if self._is_own(path)}
        with_folders = own.union(*map(_parents, own), (self._output_of(one) for one in folders if self._is_own(one)))
        for path in (*links, *files):
            inside = self._output_of(path)
            is_taken = inside.split("/")[0] in taken or (
                not self._is_own(path) and (inside in with_folders or not own.isdisjoint(_parents(inside)))
            )
            try:
                warnings += self._move_result(path, output, limits, is_taken=is_taken)
            except OSError as error:
                if is_full_disk(error):
                    raise
                cause = error.strerror or str(error)
                warnings.append(f"{shown_name(path)}: not collected: {cause}")
        for path in folders:
            self._make_folder(output / self._output_of(path), path, warnings)
        return warnings + [f"{shown_name(path)}: changed itself, not in a copy" for path in self.changed_sources()]

    def _find_written(self, warnings: list[str]) -> tuple[list[str], list[str], list[str]]:
        """Find new and changed links and files, and new folders."""
        found: tuple[list[str], list[str], list[str]] = [], [], []

        def warn(folder: Path) -> None:
            shown = shown_name(folder.relative_to(self.top).as_posix())
            warnings.append(f"{shorten(shown)}: not collected: {too_deep}")

        for root, folders, files in walk(self.top, on_deeper=warn):
            folders[:] = sorted(name for name in folders if name not in _NEVER)
            relative = root.relative_to(self.top).as_posix()
            for name in (*folders, *sorted(files)):
                path = posixpath.normpath(posixpath.join(relative, name))
                is_link = (root / name).is_symlink()
                if name in folders and not is_link:
                    make_usable(root / name)
                    if path not in self._folders:
                        found[2].append(path)
                elif self._before.get(path) != _fingerprint(self.top / path) or (
                    is_link and self._takes_own and path in self._own and self._has_changed(path)
                ):
                    found[0 if is_link else 1].append(path)
        return found

    def _make_folder(self, folder: Path, path: str, warnings: list[str]) -> None:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except (FileExistsError, NotADirectoryError):
            warnings.append(f"{shown_name(path)}: a file has the folder's name; its files go to repository/")

    def _is_own(self, path: str) -> bool:
        """Whether a path is in the folder of the process."""
        return not self.folder or path.startswith(f"{self.folder}/")

    def _move_result(self, path: str, output: Path, limits: CopyLimits | None, *, is_taken: bool) -> list[str]:
        source, target = self.top / path, output / self._output_of(path)
        in_the_way = target.exists() or any(parent.is_file() for parent in target.parents if parent != output)
        if in_the_way or is_taken:
            target = output / "repository" / path
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_symlink():
            reasons = copy_link_target(source, target, limits)
        elif not stat.S_ISREG(source.stat().st_mode):
            reasons = ["not a regular file"]
        else:
            reasons = []
            shutil.move(source, target, copy_function=partial(copy_whole, copy=shutil.copy2))
        if not reasons and (in_the_way or is_taken):
            shown = shown_name(path)
            return [f"{shown}: the results have another file of this name; see repository/{shown}"]
        return [f"{shown_name(path)}: not collected: {reason}" for reason in reasons]


def _parents(path: str) -> tuple[str, ...]:
    """Return the folders that a relative path is in."""
    return tuple(path[:place] for place, letter in enumerate(path) if letter == "/")


def _list_folder(folder: Path) -> list[os.DirEntry[str]]:
    """Return what is in a folder, sorted by name; nothing if it cannot be read."""
    try:
        return sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError:
        return []


def _fingerprint(path: Path) -> tuple[int, int, int]:
    """Return a file's time (ns), size (bytes) and inode, which change when it is written or replaced."""
    status = path.lstat()
    return status.st_mtime_ns, status.st_size, status.st_ino
