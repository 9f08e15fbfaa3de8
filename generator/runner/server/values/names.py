"""Names of files that callers send: one plain name each, never a way to another folder."""

from __future__ import annotations

import hashlib
import re

from generator.notebook.literals import MisfitError, shorten
from generator.shared.file_names import is_portable

_LONGEST = 200
"""Bytes of a name; file systems allow 255."""
_LONGEST_PATH = 1000
"""Bytes of a path in a folder; with the run's own folder, it stays below the 4096 of Linux."""


def plain_name(name: str) -> str:
    """Return a file name if it is plain: no slash, no control characters.

    Raises:
        MisfitError: the name is not plain.
    """
    wrong = _fault(name)
    if wrong:
        raise MisfitError(f"has the file name {shorten(name)}, {wrong}; give a plain name such as 'data.csv'")
    return name


def plain_path(path: str) -> str:
    """Return a relative path of plain names, as the files of a folder have it.

    Raises:
        MisfitError: a name in it is not plain, or the path is absolute.
    """
    if len(path.encode()) > _LONGEST_PATH:
        raise MisfitError(f"has the file {shorten(path)}, whose path is too long")
    return "/".join(plain_name(part) for part in path.split("/"))


def folder_name(field: str) -> str:
    """Return the name of the folder for a parameter's files, which no other one has: its own if it is plain ASCII."""
    if re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]{0,99}", field):
        return field
    return f"files-{hashlib.sha256(field.encode(errors='surrogatepass')).hexdigest()[:16]}"


def _fault(name: str) -> str:
    if not name:
        return "which is empty"
    if "/" in name or "\\" in name:
        return "which is a path"
    if name in (".", ".."):
        return "which is another folder"
    if not is_portable(name):
        return "which has control characters"
    if name != name.strip():
        return "which begins or ends with a space"
    return "which is too long" if len(name.encode()) > _LONGEST else ""
