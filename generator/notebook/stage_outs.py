"""Translate the paths of stage-outs to paths in the output directory of a run."""

from __future__ import annotations

import posixpath
import re

from generator.notebook.literals import MisfitError

_OUTSIDE = re.compile(r"/|~|[A-Za-z]:[\\/]|\\\\")
"""The beginning of a path that is not relative: absolute, in a home folder, or of Windows."""


def output_path(path: str, folder: str) -> str:
    """Translate a path that the process writes to a path in the output directory.

    The folder of the process becomes the top of the output directory; files that are written above it, with ``../``,
    keep their path from the repository's top.

    Raises:
        MisfitError: the path leaves the repository, or has a null character.
    """
    if "\0" in path:
        raise MisfitError(f"is {path!r}, with a null character, which no file name can have")
    if path.startswith(("/", "~")):
        raise MisfitError(f"is {path!r}: write below the process's folder, a run collects no files outside of it")
    whole = posixpath.normpath(posixpath.join("/", folder, path)) if not _escapes(path, folder) else None
    if whole is None:
        raise MisfitError(f"is {path!r}, which leaves the repository")
    inside = posixpath.relpath(whole, posixpath.join("/", folder))
    relative = whole.lstrip("/") if inside.startswith("..") else inside
    if relative in ("", "."):
        raise MisfitError(f"is {path!r}: name a file or a folder below it; 'output_dir' already holds everything")
    return relative


def _escapes(path: str, folder: str) -> bool:
    return posixpath.normpath(posixpath.join(folder or ".", path)).startswith("..")


def placeholder_name(path: str) -> str | None:
    """Return the last segment of a path on the author's machine, such as ``/unity/ads/outputs/X/``, else None.

    A run writes to this name in its output directory, and the notebook gets the resulting path as its value.

    Raises:
        MisfitError: the path is an address, or its last segment is not a name.
    """
    if re.match(r"[A-Za-z][A-Za-z0-9+.-]+://", path):
        raise MisfitError(
            f"is the address {path!r}: write a file's or a folder's name, such as 'results/'; "
            "a run delivers it to the address in stage_out"
        )
    if not _OUTSIDE.match(path):
        if re.search(r"\\(\w|$)", path):
            raise MisfitError(f"is {path!r}: separate folders with '/'")
        return None
    windows = not path.startswith(("/", "~"))
    name = re.split(r"[\\/]" if windows else "/", path.rstrip("/\\" if windows else "/"))[-1]
    if name in ("", ".", "..") or "\0" in name or name.startswith("~") or re.fullmatch("[A-Za-z]:", name):
        raise MisfitError(f"is {path!r}: name a file or a folder below it")
    return name


def ends_in_slash(path: str) -> bool:
    """Whether a path of a stage-out names a folder, to which the process may append names."""
    return path.endswith("/") or (path.endswith("\\") and _OUTSIDE.match(path) is not None)
