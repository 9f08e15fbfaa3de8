"""Names of staged files: from the server or the URL, and never a way out of their folder."""

from __future__ import annotations

import re
import unicodedata
from contextlib import suppress
from urllib.parse import unquote

_LONGEST = 180
"""Bytes; file systems take 255, and a number and an ending for unfinished files come on top."""


def safe_name(name: str, *, otherwise: str = "file", longest: int = _LONGEST) -> str:
    """One part of a path that every file system, shell and CWL engine takes as it is.

    cwltool refuses names with other characters than these, spaces included, so letters lose their accents.
    """
    last = name.replace("\\", "/").rpartition("/")[2].strip()
    plain = unicodedata.normalize("NFKD", last)
    plain = "".join(one for one in plain if not unicodedata.combining(one))
    plain = re.sub(r"[^A-Za-z0-9._+-]", "_", plain)
    plain = plain.lstrip(".") if plain.strip(".") else ""
    return _shorten(plain, longest) or otherwise


def _shorten(name: str, longest: int) -> str:
    """Shorter where it must be, with its ending."""
    if len(name.encode()) <= longest:
        return name
    stem, dot, ending = name.rpartition(".")
    ending = f"{dot}{ending}" if stem and len(ending) <= 10 else ""
    return name.encode()[: longest - len(ending.encode())].decode(errors="ignore") + ending


def add_numbers(names: list[str], *, of: int | None = None) -> list[str]:
    """``0_name``, as the original system has it; with leading zeros where sorting by name would change the order."""
    width = len(str(max((of or len(names)) - 1, 0)))
    return [f"{index:0{width}}_{name}" for index, name in enumerate(names)]


def make_distinct(names: list[str]) -> list[str]:
    """The names as they are, with a number before those that were there already, on whatever file system."""
    taken: set[str] = set()
    result = []
    for name in names:
        number, one = 0, name
        while one.casefold() in taken:
            number += 1
            one = f"{number}_{name}"
        taken.add(one.casefold())
        result.append(one)
    return result


def disposition_name(header: str | None) -> str:
    """The file name of a Content-Disposition header (RFC 6266, ``filename*`` before ``filename``); '' when none."""
    if not header:
        return ""
    extended = re.search(r"(?i)filename\*\s*=\s*([\w-]+)'[^']*'([^;\s]+)", header)
    if extended:
        with suppress(LookupError, ValueError):
            return unquote(extended[2], encoding=extended[1], errors="strict")
    from email.message import Message

    message = Message()
    message["Content-Disposition"] = header
    return message.get_filename("") or ""
