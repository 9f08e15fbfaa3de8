"""The files of a run in its crate: copies of local ones, by their paths in the crate."""

from __future__ import annotations

import hashlib
import os
import posixpath
import shutil
import stat
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from generator.package.file_objects import address, file_objects, is_file_object, local_path
from generator.shared.safe_text import redacted

INPUTS, OUTPUTS = "inputs", "outputs"


def copy_input(value: dict[str, Any], crate: Path, place: str) -> str:
    """Copy a File or Directory that a run was given to a folder of the crate; return its path, or its address.

    A path in the crate is relative, and that of a folder ends in a slash.
    """
    if remote := address(value):
        return redacted(remote)
    source = local_path(value)
    path = posixpath.join(place, str(value.get("basename") or (source.name if source else "literal")))
    target = crate / path
    target.parent.mkdir(parents=True, exist_ok=True)
    if value["class"] == "Directory":
        _copy_folder(value, source, target, crate, path)
        return f"{path}/"
    if source:
        shutil.copyfile(source, target)
    else:
        target.write_text(str(value.get("contents", "")), encoding="utf-8")
    return path


def _copy_folder(value: dict[str, Any], source: Path | None, target: Path, crate: Path, path: str) -> None:
    target.mkdir(parents=True, exist_ok=True)
    if source:
        _FolderCopy(crate).copy(source, target)
        return
    for item in value.get("listing", ()):
        copy_input(item, crate, path)


class _FolderCopy:
    """Copies a folder with what its links lead to, once: links to what is copied stay links.

    A copy for each link would be endless for a link to a folder above, and double with each of a chain of folders.
    """

    def __init__(self, crate: Path) -> None:
        self._ignore = _except(crate)
        self._copied: dict[Path, Path] = {}
        """The copies of the folder and of what links lead to outside of it, by real paths."""

    def copy(self, source: Path, target: Path) -> None:
        """Copy a file, or a folder to one that exists or not.

        Raises:
            OSError: a file cannot be copied, or a link leads nowhere.
        """
        self._copied[Path(os.path.realpath(source))] = target
        self._copy_entry(source, target)

    def _copy_entry(self, source: Path, target: Path) -> None:
        if not source.is_dir():
            shutil.copyfile(source, target)
            return
        target.mkdir(exist_ok=True)
        names = sorted(one.name for one in source.iterdir())
        for name in sorted({*names} - {*self._ignore(str(source), names)}):
            if not (source / name).is_symlink():
                self._copy_entry(source / name, target / name)
            elif copied := self._copy_of(Path(os.path.realpath(source / name))):
                (target / name).symlink_to(os.path.relpath(copied, target))
            else:
                self.copy(source / name, target / name)

    def _copy_of(self, real: Path) -> Path | None:
        above = next((one for one in (real, *real.parents) if one in self._copied), None)
        return self._copied[above] / real.relative_to(above) if above else None


def stamps(values: Any) -> dict[Path, str]:
    """Return a text for each local File and Directory in some values that differs after a change.

    It has the names, sizes and times of all files: to read them all would take as long as the copies of a crate.
    """
    paths = {path for one in file_objects(values) if (path := local_path(one))}
    return {path: _stamp(path) for path in paths}


def _stamp(top: Path) -> str:
    digest, waiting = hashlib.sha256(), [top]
    while waiting:
        place = waiting.pop()
        with suppress(OSError):
            state = place.stat()
            digest.update(os.fsencode(place) + b"\0")
            if not stat.S_ISDIR(state.st_mode):
                digest.update(f"{state.st_size} {state.st_mtime_ns}\0".encode())
            elif place == top or not place.is_symlink():  # links to folders may lead to one above
                waiting += sorted(place.iterdir())
    return digest.hexdigest()


def copy_output(value: dict[str, Any], outdir: Path, crate: Path) -> str:
    """Copy a result from ``outdir`` to the crate; return its path there. Links stay links.

    Of a folder, what its listing names is copied: files of earlier runs may be there, too.

    Raises:
        ValueError: the result is not in ``outdir``.
    """
    source = Path(os.path.abspath(str(value.get("path", ""))))  # noqa: PTH100 - links keep their names
    path = Path(OUTPUTS, source.relative_to(os.path.abspath(outdir))).as_posix()  # noqa: PTH100
    target = crate / path
    if value["class"] == "Directory":
        ignore = _unlisted(value, source, _except(crate))
        shutil.copytree(source, target, symlinks=True, dirs_exist_ok=True, ignore=ignore)
        return f"{path}/"
    target.parent.mkdir(parents=True, exist_ok=True)
    if not target.exists():
        shutil.copyfile(source, target, follow_symlinks=False)
    return path


_Ignore = Callable[[str, list[str]], list[str]]


def _unlisted(value: dict[str, Any], source: Path, ignore: _Ignore) -> _Ignore:
    """Leave out what a Directory object does not list, too; one without a listing lists everything."""
    listed: dict[str, set[str]] = {}
    waiting = [(value, str(source))]
    while waiting:
        described, folder = waiting.pop()
        if "listing" not in described:
            continue
        names = listed.setdefault(folder, set())
        for item in described["listing"]:
            place, name = posixpath.split(str(item.get("path", "")))
            # the path of a link is that of its target; of two files of one name, the second has the first's basename
            own = {str(item.get("basename", name)), *([name] if place == folder else [])}
            names |= own
            waiting += [(item, posixpath.join(folder, one)) for one in own if item.get("class") == "Directory"]

    def unlisted(folder: str, names: list[str]) -> list[str]:
        known = listed.get(folder, {*names})
        return [*ignore(folder, names), *(name for name in names if name not in known)]

    return unlisted


def _except(crate: Path) -> _Ignore:
    """Leave out the crate itself, which may be in a folder that it describes."""

    def ignore(folder: str, names: list[str]) -> list[str]:
        return [name for name in names if name == crate.name and Path(folder, name).resolve() == crate.resolve()]

    return ignore


def top_files(value: Any) -> Iterator[dict[str, Any]]:
    """Yield the File and Directory objects that are a value, or items of a list."""
    for one in value if isinstance(value, list) else [value]:
        if is_file_object(one):
            yield one


def are_files(value: Any) -> bool:
    """Whether a value is a File or a Directory, or a list of these."""
    items = value if isinstance(value, list) else [value]
    return bool(items) and all(map(is_file_object, items))
