"""Links in a folder of results: git carries them, so a repository can ship such a folder.

A run or a map in a clone would write to, or remove, what such a link leads to.
"""

from __future__ import annotations

import posixpath
from pathlib import Path

from generator.shared.errors import UsageError


def find_link(outdir: Path | str, path: str) -> Path | None:
    """Return the first link of a path below an output folder; its user named the folder, which may be a link itself."""
    found = Path(outdir)
    for name in posixpath.normpath(path).split("/"):
        found /= name
        if found.is_symlink():
            return found
    return None


def refuse_links(outdir: Path, *paths: str) -> None:
    """Refuse links among the paths below an output folder that packmill writes to, or removes.

    Raises:
        UsageError: one of them, or a folder above it in the output folder, is a link.
    """
    for path in paths:
        if link := find_link(outdir, path):
            raise UsageError(
                f"{link}: is a link, and results do not go through links; remove it, or choose another --outdir"
            )
