"""The files of the repository that a package carries as default values."""

from __future__ import annotations

import os
import posixpath
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from generator.notebook.parameters import CwlType, Literal, Missing
from generator.process.process import Process
from generator.repository.checkout import inside
from generator.repository.lfs_pointers import pointed_digest
from generator.shared.file_names import is_portable
from generator.shared.safe_names import safe_name

_example_limit = 1024**2
_example_count = 100
_all_examples_limit = 16 * 1024**2
_all_examples_count = 1000
_MOST_LOOKED_AT = 1000


@dataclass(frozen=True, slots=True)
class Examples:
    """The repository's files and folders that a package carries as default values; their content is not read yet."""

    names: Mapping[str, str]
    """The file or folder in the package for each path in the parameters cell."""
    files: Mapping[str, Path]
    """Each file in the repository, by its path in the package."""

    def read(self) -> dict[str, bytes]:
        """Return the content of each file by its path in the package."""
        return {name: path.read_bytes() for name, path in self.files.items()}


def find_examples(folder: Path, process: Process) -> Examples:
    """Find the repository's files and folders that are defaults, so that the package runs as its author ran it.

    Spellings of one path, such as ``a`` and ``./a``, are one file in the package. What does not fit into the limits of
    all files together is left out.
    """
    names: dict[str, str] = {}
    files: dict[str, Path] = {}
    size = carried = 0
    known: dict[tuple[CwlType, Path, str], str] = {}
    for kind, path, place in _places(folder, process):
        key = (kind, place, posixpath.basename(path))
        if key not in known:
            found = _file(place) if kind is CwlType.FILE else _folder_files(place)
            needed = sum(file.stat().st_size for file in found.values())
            fits = size + needed <= _all_examples_limit and len(files) + len(found) <= _all_examples_count
            name = f"example/{carried}_{safe_name(Path(path).name)}" if found and fits else ""
            if name:
                size, carried = size + needed, carried + 1
                files |= {f"{name}/{below}" if below else name: file for below, file in found.items()}
            known[key] = name
        if known[key]:
            names[path] = known[key]
    return Examples(names=names, files=files)


def _places(folder: Path, process: Process) -> Iterator[tuple[CwlType, str, Path]]:
    for one in process.interface.inputs:
        if one.hint.type in (CwlType.FILE, CwlType.DIRECTORY):
            for path in default_paths(one.default):
                place = inside(folder, str(Path(process.path).parent / path)) if not path.startswith("/") else None
                if place:
                    yield one.hint.type, path, place


def _file(path: Path) -> dict[str, Path]:
    """Return a file by an empty path; nothing if it is large, or a pointer of Git LFS whose file was not fetched."""
    carried = path.is_file() and path.stat().st_size <= _example_limit and not pointed_digest(path)
    return {"": path} if carried else {}


def _folder_files(folder: Path) -> dict[str, Path]:
    """List the files of a folder by their paths in it.

    Nothing if it is empty, large, has links or odd names, holds a git repository, or lacks files of Git LFS.
    """
    found: dict[str, Path] = {}
    size = 0
    for root, folders, files in os.walk(folder):
        paths = [Path(root, name) for name in sorted((*folders, *files))]
        if ".git" in folders or any(path.is_symlink() or not is_portable(path.name) for path in paths):
            return {}
        for path in (one for one in paths if one.is_file()):
            size += path.stat().st_size
            if size > _example_limit or len(found) == _example_count or pointed_digest(path):
                return {}
            found[path.relative_to(folder).as_posix()] = path
    return found


def has_pointers(place: Path) -> bool:
    """Whether a file, or one of the first thousand in a folder, is a pointer of Git LFS whose file was not fetched."""
    files = (Path(root, name) for root, _, names in os.walk(place) for name in names) if place.is_dir() else (place,)
    looked_at = islice(files, _MOST_LOOKED_AT)
    return any(pointed_digest(file) for file in looked_at if file.is_file() and not file.is_symlink())


def default_paths(default: Literal | Missing) -> list[str]:
    """List the paths in the default of a file parameter: ``'x.csv'`` or ``[{'path': 'x.csv'}]``."""
    if isinstance(default, str):
        return [default] if default else []
    if isinstance(default, list | tuple):
        return [path for item in default for path in default_paths(item)]
    if isinstance(default, dict):
        return default_paths(default.get("path") or default.get("location") or "")
    return []


def is_address(path: str) -> bool:
    """Whether a path of a default is an address, such as ``https://…`` or ``s3://…``."""
    return re.match(r"(?!file:)[A-Za-z][A-Za-z0-9+.-]*://", path) is not None
