"""Names of staged files: numbered, distinct, and as a server states them."""

from __future__ import annotations

import re
from contextlib import suppress
from urllib.parse import unquote

longest_header = 8192
"""Characters of a server's header that is parsed: some take time with the square of their length."""


def add_numbers(names: list[str], *, of: int | None = None) -> list[str]:
    """Prefix names with their index, ``0_name``, with leading zeros so that sorting by name keeps the order."""
    width = len(str(max((of or len(names)) - 1, 0)))
    return [f"{index:0{width}}_{name}" for index, name in enumerate(names)]


def make_distinct(names: list[str]) -> list[str]:
    """Prefix repeated names with a number; names that differ only in case count as repeated."""
    taken: set[str] = set()
    numbers: dict[str, int] = {}
    """The last number of each name: counting from the beginning again would take time with the square of the names."""
    result = []
    for name in names:
        number, one = numbers.get(name.casefold(), 0), name
        while one.casefold() in taken:
            number += 1
            one = f"{number}_{name}"
        numbers[name.casefold()] = number
        taken.add(one.casefold())
        result.append(one)
    return result


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
