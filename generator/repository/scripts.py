"""Rewrite scripts that cannot start on Linux: with Windows line endings, or a byte order mark before ``#!``."""

from __future__ import annotations

import codecs
import os
from collections.abc import Iterator
from pathlib import Path

from generator.shared.suggestions import list_some

_SCRIPT_LIMIT = 4 * 1024**2


def repair_scripts(folder: Path) -> list[str]:
    """Rewrite the scripts of a checkout with LF and without a byte order mark; return warnings that name them."""
    repaired = [path.relative_to(folder).as_posix() for path in sorted(_find_scripts(folder)) if _repair(path)]
    if not repaired:
        return []
    named = list_some(repaired, limit=8)
    return [
        f"{named}: Windows line endings or a byte order mark, with which scripts cannot start; packaged without them"
    ]


def _find_scripts(folder: Path) -> Iterator[Path]:
    """Yield the files that begin as scripts or have their ending, without links and git's own files."""
    for root, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if name != ".git"]
        for name in files:
            path = Path(root, name)
            if path.is_symlink() or not path.is_file() or path.stat().st_size > _SCRIPT_LIMIT:
                continue
            with path.open("rb") as file:
                if name.endswith(".sh") or file.read(5).removeprefix(codecs.BOM_UTF8).startswith(b"#!"):
                    yield path


def _repair(path: Path) -> bool:
    data = path.read_bytes()
    repaired = data.removeprefix(codecs.BOM_UTF8)
    first = repaired.partition(b"\n")[0]
    if first.endswith(b"\r"):
        repaired = repaired.replace(b"\r\n", b"\n")
    if repaired == data or b"\0" in data:
        return False
    path.write_bytes(repaired)
    return True
