"""The files of the repository that a package carries as default values."""

from __future__ import annotations

import os
import re
from itertools import islice
from pathlib import Path

from generator.notebook.parameters import CwlType, Literal, Missing
from generator.process.process import Process
from generator.repository.checkout import inside
from generator.repository.lfs_pointers import pointed_digest
from generator.shared.file_names import is_portable

_example_limit = 1024**2
_example_count = 100
_MOST_LOOKED_AT = 1000


def example_files(folder: Path, process: Process) -> dict[str, dict[str, bytes]]:
    """Read the repository's files and folders that are defaults, so that the package runs as its author ran it."""
    found: dict[str, dict[str, bytes]] = {}
    for one in process.interface.inputs:
        if one.hint.type in (CwlType.FILE, CwlType.DIRECTORY):
            for path in default_paths(one.default):
                place = inside(folder, str(Path(process.path).parent / path)) if not path.startswith("/") else None
                read = _read_file if one.hint.type is CwlType.FILE else _read_folder
                if place and (content := read(place)):
                    found[path] = content
    return found


def _read_file(path: Path) -> dict[str, bytes]:
    """Read a file; nothing if it is large, or a pointer of Git LFS whose file was not fetched."""
    carried = path.is_file() and path.stat().st_size <= _example_limit and not pointed_digest(path)
    return {"": path.read_bytes()} if carried else {}


def _read_folder(folder: Path) -> dict[str, bytes]:
    """Read the files of a folder.

    Nothing if it is empty, large, has links or odd names, holds a git repository, or lacks files of Git LFS.
    """
    content: dict[str, bytes] = {}
    size = 0
    for root, folders, files in os.walk(folder):
        paths = [Path(root, name) for name in sorted((*folders, *files))]
        if ".git" in folders or any(path.is_symlink() or not is_portable(path.name) for path in paths):
            return {}
        for path in (one for one in paths if one.is_file()):
            size += path.stat().st_size
            if size > _example_limit or len(content) == _example_count or pointed_digest(path):
                return {}
            content[path.relative_to(folder).as_posix()] = path.read_bytes()
    return content


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
