"""Derive the type of a stage-in, and the form in which the process gets it, from the hint and the default.

The value of a run has the shape of the default in the cell: text is the path of a file or a folder, a dictionary one
File object, a list of either a list of them. A hint such as ``stage-in[Directory]`` fixes the type and leaves the
form to the default. Without a default to imitate, a stage-in is a list of File objects, as in the original system.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from generator.notebook.literals import MisfitError
from generator.notebook.parameters import CwlType, Hint, Literal, Missing, Role

IsFolder = Callable[[str], bool]
"""Whether a path, relative to the process, is a folder of the repository."""


def no_folder(_path: str) -> bool:
    """Answer for a process whose repository is unknown."""
    return False


def folders_below(top: Path, folder: str) -> IsFolder:
    """Return the test for folders of the repository at ``top``, with paths relative to ``folder`` in it."""

    def is_folder(path: str) -> bool:
        try:
            real = Path(os.path.realpath(top / folder / path))
            return real.is_relative_to(os.path.realpath(top)) and real.is_dir()
        except (OSError, ValueError):  # a name too long, a null byte
            return False

    return is_folder


def stage_in_hint(hint: Hint, default: Literal | Missing, is_folder: IsFolder) -> Hint:
    """Return the type of a stage-in; the hint decides if it names one, else the default does.

    Raises:
        MisfitError: the type cannot be staged in.
    """
    if hint.type is CwlType.ANY:
        array = hint.array or not isinstance(default, str | dict)
        folder = _names_folders(default, is_folder) if array else _names_folder(default, is_folder)
        hint = replace(hint, type=CwlType.DIRECTORY if folder else CwlType.FILE, array=array)
    if hint.type not in (CwlType.FILE, CwlType.DIRECTORY):
        kind = f"{hint.type}{'[]' if hint.array else ''}"
        raise MisfitError(f"is staged in as {kind}; a stage-in is File, File[], Directory or Directory[]")
    return hint


def _names_folders(default: Literal | Missing, is_folder: IsFolder) -> bool:
    """Whether a default is the text of a folder, or a list of such texts; lists of objects are always of Files.

    Raises:
        MisfitError: a list has folders and files.
    """
    items = default if isinstance(default, list | tuple) else [default]
    texts = [item for item in items if isinstance(item, str)]
    folders = [item for item in texts if _names_folder(item, is_folder)]
    if folders and len(folders) < len(items):
        raise MisfitError(f"is a list with the folder {folders[0]!r} and with files; stage them in as two parameters")
    return bool(folders)


def _names_folder(default: Literal | Missing, is_folder: IsFolder) -> bool:
    if isinstance(default, dict) and default.get("class") in ("File", "Directory"):
        return default["class"] == "Directory"
    path = _path(default)
    return path.endswith("/") or (bool(path.strip()) and is_folder(path))


def _path(default: Literal | Missing) -> str:
    if isinstance(default, dict):
        default = default.get("path") or default.get("location")
    return default if isinstance(default, str) else ""


def is_given_as_path(role: Role, default: Literal | Missing) -> bool:
    """Whether the process gets a file as the text of its path, not as a File object."""
    if role is Role.STAGE_IN:
        return _holds(str, default) and not _holds(dict, default)
    return not _holds(dict, default)


def is_given_with_slash(default: Literal | Missing) -> bool:
    """Whether the process may append a name to the path of a folder: its own default ends in a slash."""
    texts = default if isinstance(default, list | tuple) else [default]
    return bool(texts) and all(isinstance(item, str) and item.endswith("/") for item in texts)


def _holds(kind: type, default: Literal | Missing) -> bool:
    if isinstance(default, list | tuple):
        return any(_holds(kind, item) for item in default)
    return isinstance(default, kind)
