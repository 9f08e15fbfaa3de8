"""Names of staged files: numbered, distinct, and as a server states them."""

from __future__ import annotations

import re
from contextlib import suppress
from urllib.parse import unquote


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
