"""Names of staged files: numbered, distinct, and as a server states them."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from urllib.parse import unquote

from generator.shared.file_names import is_portable
from generator.shared.safe_names import safe_name

longest_header = 8192
"""Characters of a server's header that is parsed: some take time with the square of their length."""
partial_files = ".*.part*"
"""Pattern of the names of partial files, which are at the top of the folder that files are fetched to."""
_LONGEST = 200
"""Bytes of a name that is kept: file systems take 255, and engines append to names."""


def add_numbers(names: list[str], *, of: int | None = None) -> list[str]:
    """Prefix names with their index, ``0_name``, with leading zeros so that sorting by name keeps the order."""
    width = len(str(max((of or len(names)) - 1, 0)))
    return [f"{index:0{width}}_{name}" for index, name in enumerate(names)]


def name_in_folder(name: str, *, is_at_top: bool) -> str:
    """Return the name that a file or folder below a staged folder gets: its own, if that is safe.

    Formats such as Zarr find their files by name. Names that only some programs can carry are reduced, those like
    partial files at the top, which are removed, and ``.git``, whose configuration names programs that git runs. Readers
    of the folder's catalog would cut names at ``#``, ``?`` and ``;``, which are replaced.
    """
    name = re.sub("[#?;]", "_", name)
    is_safe = is_portable(name) and "\\" not in name and len(name.encode()) <= _LONGEST
    is_ours = is_at_top and fnmatchcase(name, partial_files)
    return name if is_safe and not is_ours and name.lower() != ".git" else safe_name(name)


def make_distinct(names: Sequence[str], *, exact: Collection[str] = ()) -> list[str]:
    """Prefix repeated names or relative paths with a number, so that none is also a folder of another.

    Names that differ only in case count as repeated, but for those in ``exact``.
    """
    in_exact, in_any_case = _Taken(), _Taken()
    numbers: dict[str, int] = {}
    """The last number of each name: counting from the beginning again would take time with the square of the names."""
    result = []
    for name in names:
        is_exact = name in exact
        key = name if is_exact else name.casefold()
        number, one = numbers.get(key, 0), name
        while in_exact.has(one) if is_exact else in_any_case.has(one.casefold()):
            number += 1
            one = f"{number}_{name}"
        numbers[key] = number
        in_exact.add(one)
        in_any_case.add(one.casefold())
        result.append(one)
    return result


@dataclass(frozen=True, slots=True)
class _Taken:
    """Paths that are taken, and the folders that these are in."""

    paths: set[str] = field(default_factory=set)
    folders: set[str] = field(default_factory=set)

    def has(self, path: str) -> bool:
        """Whether a path is taken, or is in a file."""
        return path in self.paths or path in self.folders or not self.paths.isdisjoint(_folders_of(path))

    def add(self, path: str) -> None:
        self.paths.add(path)
        self.folders.update(_folders_of(path))


def _folders_of(path: str) -> Iterator[str]:
    """Yield the folders that a relative path is in."""
    return (path[: mark.start()] for mark in re.finditer("/", path))


def disposition_name(header: str | None) -> str:
    """Return the file name of a Content-Disposition header (RFC 6266, ``filename*`` before ``filename``), else ''."""
    if not header or len(header) > longest_header:
        return ""
    extended = re.search(r"(?i)filename\*\s*=\s*([\w-]+)'[^']*'([^;\s]+)", header)
    if extended:
        with suppress(LookupError, ValueError):
            return unquote(extended[2], encoding=extended[1], errors="strict")
    from email.message import Message

    message = Message()
    message["Content-Disposition"] = header
    with suppress(LookupError, ValueError):  # of charsets and numbers of parts that only look like valid ones
        return message.get_filename("") or ""
    return ""
