"""Folders with a bounded number of levels, which code of others filled."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

deepest = 200
"""Folders in each other: Python follows less than a thousand."""
_LONGEST = 3000
"""Bytes of a path below the top: the system takes 4,096 of a whole one, and results move to other folders."""
too_deep = "too many folders in each other, or too long names of folders"
"""What is wrong with a folder that `is_too_deep`, for messages."""


def is_too_deep(folder: Path, top: Path) -> bool:
    """Return whether a folder is below more levels of ``top`` than programs can follow."""
    levels, length = len(folder.parts) - len(top.parts), len(os.fsencode(folder)) - len(os.fsencode(top))
    return levels > deepest or length > _LONGEST


def walk(
    top: Path, *, on_deeper: Callable[[Path], None] = lambda _folder: None
) -> Iterator[tuple[Path, list[str], list[str]]]:
    """Walk a folder from its top as `os.walk` does, but not into folders that are too deep: ``on_deeper`` gets each."""
    for root, folders, names in os.walk(top):
        folder = Path(root)
        deeper = [name for name in folders if is_too_deep(folder / name, top) and not (folder / name).is_symlink()]
        for name in deeper:
            on_deeper(folder / name)
            folders.remove(name)
        yield folder, folders, names


def paths_below(top: Path, *, on_deeper: Callable[[Path], None] = lambda _folder: None) -> Iterator[Path]:
    """Yield everything below a folder as ``Path.rglob("*")`` does, but for folders that are too deep, see `walk`."""
    for folder, folders, names in walk(top, on_deeper=on_deeper):
        yield from (folder / name for name in (*folders, *names))
