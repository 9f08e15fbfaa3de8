"""Names of staged files, from the server or the URL, made safe."""

from __future__ import annotations

import re
import unicodedata
from contextlib import suppress
from urllib.parse import unquote

_LONGEST = 180
"""Maximum length in bytes: file systems allow 255, and a number and the suffix of unfinished files are added."""


def safe_name(name: str, *, otherwise: str = "file", longest: int = _LONGEST) -> str:
    """Return a path component that every file system, shell and CWL engine accepts.

    cwltool refuses names with other characters than these, spaces included, so letters lose their accents.
    """
    last = name.replace("\\", "/").rpartition("/")[2].strip()
    plain = unicodedata.normalize("NFKD", last)
    plain = "".join(one for one in plain if not unicodedata.combining(one))
    plain = re.sub(r"[^A-Za-z0-9._+-]", "_", plain)
    plain = plain.lstrip(".") if plain.strip(".") else ""
    return _shorten(plain, longest) or otherwise


def _shorten(name: str, longest: int) -> str:
    """Shorten a name to at most ``longest`` bytes; keep its extension."""
    if len(name.encode()) <= longest:
        return name
    stem, dot, ending = name.rpartition(".")
    ending = f"{dot}{ending}" if stem and len(ending) <= 10 else ""
    return name.encode()[: longest - len(ending.encode())].decode(errors="ignore") + ending


def add_numbers(names: list[str], *, of: int | None = None) -> list[str]:
    """Prefix names with their index, ``0_name``, with leading zeros so that sorting by name keeps the order."""
    width = len(str(max((of or len(names)) - 1, 0)))
    return [f"{index:0{width}}_{name}" for index, name in enumerate(names)]


def make_distinct(names: list[str]) -> list[str]:
    """Prefix repeated names with a number; names that differ only in case count as repeated."""
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
    """Return the file name of a Content-Disposition header (RFC 6266, ``filename*`` before ``filename``), else ''."""
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
