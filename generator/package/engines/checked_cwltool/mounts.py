"""The places of files in a container, and the folders that a container may change in place.

The document and the values of a run name the places. cwltool joins these names to folders of the host without a
look at them, before a container starts and after it has ended.
"""

from __future__ import annotations

import logging
import os
import posixpath
import re
import shutil
import stat
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from cwltool.errors import WorkflowException
from cwltool.pathmapper import MapperEnt, PathMapper

from generator.package.engines.checked_cwltool.outputs import OutputRefusedError
from generator.package.output_folder import NamesOfResults, find_link
from generator.shared.file_names import shown_name
from generator.shared.safe_text import printable

_logger = logging.getLogger("cwltool")
_BUILDS = ("dockerFile", "dockerLoad", "dockerImport")


class CheckedPaths(PathMapper):
    """cwltool's map of files to places: every place is named plainly, and nothing moves after a refusal.

    An image names its results. One that has the name of a file of the user gets a free name; those of earlier runs are
    replaced. Results neither replace what a link leads to nor go through one: a repository may ship their folder. Such
    a result gets a free name, too, since hours of work may be in it.
    """

    def setup(self, referenced_files: Any, basedir: str) -> None:
        """Map files below the folder that they are meant for."""
        self._moves = not basedir  # cwltool is about to move the results
        if self._moves:
            self._names = NamesOfResults(Path(self.stagedir))
            for one in _with_secondary_files(referenced_files):
                self._name_apart(one)
        super().setup(referenced_files, basedir)
        if self._moves and self._move_aside(referenced_files):
            self._pathmap.clear()
            super().setup(referenced_files, basedir)
        for entry in self:
            _check_name(entry.target)
        if self._moves:
            if OutputRefusedError.refusals:
                raise WorkflowException(f"no results: {OutputRefusedError.refusals[0]}")
            for entry in self:
                self._check_place(entry)
            self._names.store()
            self._warn_of_other_files(one for one in referenced_files if one["class"] == "Directory")

    def update(self, key: str, resolved: str, target: str, ctype: str | None, stage: bool | None) -> MapperEnt:  # noqa: FBT001 - cwltool's signature
        """Give a file another place, such as ``a.txt_2`` for the second of two results of one name."""
        if self._moves and posixpath.dirname(target) == self.stagedir:
            target = posixpath.join(self.stagedir, self._names.free_name(posixpath.basename(target)))
        entry: MapperEnt = super().update(key, resolved, target, ctype, stage)
        if self._moves:
            self._check_place(entry)
            self._names.store()
        return entry

    def _name_apart(self, one: dict[str, Any]) -> None:
        name = one.get("basename")
        if not isinstance(name, str) or "/" in name or name in ("", ".", ".."):  # which is refused
            return
        if (free := self._names.free_name(name)) != name:
            names = shown_name(name), shown_name(free)
            _logger.warning("%s: exists, and no earlier run left it; the result is named %s", *names)
            _rename(one, free)

    def _move_aside(self, results: Iterable[dict[str, Any]]) -> bool:
        """Give results free names in whose places there are links, or folders for files, or files for folders."""
        start = len(self.stagedir.rstrip("/")) + 1
        problems = {entry.target[start:].partition("/")[0]: found for entry in self if (found := self._problem(entry))}
        moved = [one for one in results if one["basename"] in problems]
        for one in moved:
            name, problem = one["basename"], problems[one["basename"]]
            _rename(one, self._names.another_name(name))
            _logger.warning("%s; the result is named %s", printable(problem), shown_name(one["basename"]))
        return bool(moved)

    def _warn_of_other_files(self, folders: Iterable[dict[str, Any]]) -> None:
        """Name the files of earlier runs, or of the user, that a folder of results will have next to its own."""
        targets = {entry.target for entry in self}
        for folder in map(self.mapper, (str(one["location"]) for one in folders)):
            paths = ((path, path[len(folder.target) + 1 :]) for path in _files_below(folder.target))
            others = [
                name
                for path, name in paths
                if path not in targets and not os.path.lexists(posixpath.join(folder.resolved, name))
            ]
            if others:
                _logger.warning(
                    "%s: has files that this run did not write (%d), such as %s; choose another --outdir for each run",
                    *(shown_name(folder.target), len(others), shown_name(min(others))),
                )

    def _check_place(self, entry: MapperEnt) -> None:
        """Check where a result goes; the files of a folder count, too: cwltool merges it into one of its name."""
        if not _is_below(entry.target, self.stagedir):
            raise WorkflowException(f"{entry.target}: outside of the folder of the results")
        if problem := self._problem(entry):
            raise WorkflowException(f"{problem}; choose another folder for the results")

    def _problem(self, entry: MapperEnt) -> str:
        """Return what is in the place of a result; cwltool would put a file into a folder of its name."""
        if not _is_below(entry.target, self.stagedir):
            return ""
        if link := find_link(self.stagedir, posixpath.relpath(entry.target, self.stagedir)):
            return f"{link}: is a link"
        is_folder = "Directory" in str(entry.type)
        if not os.path.lexists(entry.target) or Path(entry.target).is_dir() is is_folder:
            return ""
        return f"{entry.target}: is {'not ' if is_folder else ''}a folder"


def _rename(one: dict[str, Any], name: str) -> None:
    one["basename"] = name
    if "nameroot" in one:
        one["nameroot"], one["nameext"] = posixpath.splitext(name)


def _with_secondary_files(files: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for one in files:
        yield one
        yield from _with_secondary_files(one.get("secondaryFiles") or ())


def _files_below(top: str) -> Iterator[str]:
    """Yield the files and links below a folder; none if it does not exist."""
    waiting = [top]
    while waiting:
        with suppress(OSError), os.scandir(waiting.pop()) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    waiting.append(entry.path)
                else:
                    yield entry.path


def check_image(requirement: Mapping[str, Any], *, trust: bool) -> None:
    """Check what a DockerRequirement makes of the command line of the engine."""
    for field in ("dockerPull", "dockerImageId"):
        if not re.match(r"[A-Za-z0-9]", str(requirement.get(field, "image"))):
            raise WorkflowException(f"{field}: {requirement[field]!r} is not the name of an image")
    for field in _BUILDS:
        if field in requirement and not trust:
            raise WorkflowException(f"{field}: packmill runs images that are there or can be pulled; name one")
    inside = str(requirement.get("dockerOutputDirectory", "/out"))
    if posixpath.normpath(inside) != inside or not re.match(r"/[^/]", inside):
        raise WorkflowException(f"dockerOutputDirectory: {inside!r} is not the path of a folder")


def check_mounts(entries: Iterable[MapperEnt], inside: str, *, in_place: bool) -> None:
    """Check the places of files in a container whose output folder is ``inside``.

    cwltool writes, links and removes at the same places below the output folder on the host.
    """
    staged = [entry for entry in entries if entry.staged]
    mounted = {entry.target for entry in staged if _is_mounted(entry, in_place=in_place)}
    for entry in staged:
        _check_name(entry.target)
        if entry.target.startswith(inside) and not _is_below(entry.target, inside):
            raise WorkflowException(f"{entry.target}: a file cannot take the place of the output folder")
        parent = posixpath.dirname(entry.target)
        while parent not in ("/", ""):
            if parent in mounted:
                raise WorkflowException(f"{entry.target}: is inside {parent}, which is another input")
            parent = posixpath.dirname(parent)


def folders_in_place(entries: Iterable[MapperEnt]) -> list[Path]:
    """List the folders of the host that a container may write to."""
    return [Path(entry.resolved) for entry in entries if entry.type in _WRITABLE and entry.resolved.startswith("/")]


def check_in_place(changed: Path) -> None:
    """Check what a container left in a folder that is not its own: cwltool copies it, links followed."""
    changed = changed.resolve()
    waiting = [changed]
    while waiting:
        path = waiting.pop()
        mode = path.lstat().st_mode
        if stat.S_ISDIR(mode):
            with os.scandir(path) as entries:
                waiting += [Path(entry.path) for entry in entries]
        elif stat.S_ISREG(mode):
            if mode & (stat.S_ISUID | stat.S_ISGID):
                path.chmod(stat.S_IMODE(mode) & ~(stat.S_ISUID | stat.S_ISGID))
        elif path == changed or not _is_file_in(path, changed):
            kind = "a link that leads elsewhere" if stat.S_ISLNK(mode) else "neither a file nor a folder"
            raise OutputRefusedError(f"{changed.name}: the process may change this folder; it holds {kind}")


def keep_logs(outdir: str, base_path_logs: str, stdout_path: str | None, stderr_path: str | None) -> None:
    """Copy what a container printed from the folder of logs into its output folder, over no link that it left."""
    for log in {log for log in (stdout_path, stderr_path) if log and outdir != base_path_logs}:
        copy = Path(outdir, os.path.relpath(log, base_path_logs))
        if not copy.parent.resolve().is_relative_to(Path(outdir).resolve()):
            raise OutputRefusedError(f"{copy.name}: the process put a link in place of the folder of its log")
        if copy.is_symlink() or copy.is_file():
            copy.unlink()
        shutil.copy2(log, copy)


_WRITABLE = ("WritableFile", "WritableDirectory")


def _is_mounted(entry: MapperEnt, *, in_place: bool) -> bool:
    kinds = ("File", "Directory", *(_WRITABLE if in_place else ()))
    return entry.type in kinds and not entry.resolved.startswith("_:")


def _check_name(target: str) -> None:
    if posixpath.normpath(target) != target or "\0" in target:
        raise WorkflowException(f"{target}: not a plain path for a file")


def _is_below(path: str, folder: str) -> bool:
    return path.startswith(folder.rstrip("/") + "/") and path != folder


def _is_file_in(link: Path, folder: Path) -> bool:
    """Whether a link leads to a regular file of the folder."""
    real = link.resolve()
    return link.is_symlink() and real.is_file() and real.is_relative_to(folder.resolve())
