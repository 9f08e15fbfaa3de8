"""Results that all engines and servers can deliver: readable files and folders, portable names and dates, no links."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from generator.notebook.literals import shorten
from generator.runner.packaged.copy_limits import CopyLimits
from generator.runner.packaged.links import copy_link_target
from generator.shared.file_names import free_portable_path, is_portable, shown_name
from generator.shared.folder_levels import is_too_deep, too_deep
from generator.shared.passing_errors import is_full_disk
from generator.shared.removal import remove_tree

_USABLE = {stat.S_IFDIR: stat.S_IRWXU, stat.S_IFREG: stat.S_IRUSR | stat.S_IWUSR}

_DATES = (-62_000_000_000, 253_000_000_000)
"""Seconds since 1970 that HTTP headers and archives can have as dates, in every time zone: from year 6 to 9987."""


def tidy(folder: Path, limits: CopyLimits | None = None) -> list[str]:
    """Rename, replace or remove everything below a folder that an engine would refuse; return warnings.

    Raises:
        OSError: the disk is full.
        OutputLimitError: what links lead to would exceed the limits of the run.
    """
    warnings: list[str] = []
    waiting = [folder]
    while waiting:
        current = waiting.pop()
        if is_too_deep(current, folder):
            remove_tree(current)
            shown = shorten(shown_name(current.relative_to(folder).as_posix()))
            warnings.append(f"{shown}: removed: {too_deep}")
            continue
        make_usable(current)
        for path in sorted(current.iterdir()):
            shown = shown_name(path.relative_to(folder).as_posix())
            try:
                waiting += _tidy_entry(path, shown, warnings, limits)
            except OSError as error:
                if is_full_disk(error):
                    raise
                warnings.append(f"{shown}: cannot be delivered: {error.strerror}")
    return warnings


def make_usable(path: Path) -> None:
    """Let the owner read and write a file or folder."""
    mode = path.lstat().st_mode
    needed = _USABLE.get(stat.S_IFMT(mode), 0)
    if mode & needed != needed:
        path.chmod(stat.S_IMODE(mode) | needed)


def _tidy_entry(path: Path, shown: str, warnings: list[str], limits: CopyLimits | None) -> tuple[Path, ...]:
    """Tidy one file or folder; return a folder, whose entries are not tidied yet."""
    if path.is_symlink():
        _replace_link(path, shown, warnings, limits)
        if not path.exists():
            return ()
    kind = stat.S_IFMT(path.lstat().st_mode)
    if kind not in _USABLE:
        path.unlink()
        warnings.append(f"{shown}: removed: not a regular file")
        return ()
    make_usable(path)
    if not _DATES[0] <= path.lstat().st_mtime <= _DATES[1]:  # tmpfs and Btrfs keep any number
        os.utime(path)
        warnings.append(f"{shown}: dated now, because its time of modification is not in the years 6 to 9987")
    if not is_portable(path.name):
        renamed = path.rename(free_portable_path(path))
        warnings.append(f"{shown}: renamed to {renamed.name!r}, because results need portable names in UTF-8")
        path = renamed
    return (path,) if kind == stat.S_IFDIR else ()


def _replace_link(path: Path, shown: str, warnings: list[str], limits: CopyLimits | None) -> None:
    """Put what a link leads to in its place."""
    copy = path.with_name(f".packmill-{os.getpid()}.copy")
    warnings += [f"{shown}: not collected: {reason}" for reason in copy_link_target(path, copy, limits)]
    path.unlink()
    if copy.exists():
        copy.rename(path)
