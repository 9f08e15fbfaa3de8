"""Make text of unknown origin safe for logs and documents: no control characters, no secrets in URLs."""

from __future__ import annotations

import re

_HOST = r"(?:[\w-]+(?:\.[\w-]+)+|localhost|\[[0-9A-Fa-f:.]+\])(?::\d{1,5})?(?:[/?#\s'\"]|$)"


def redacted(text: str) -> str:
    """Text with what may be secret in its URLs cut out: user and password, and what a query says.

    Where no host follows, as after a password with a slash in it, which no URL may have, all goes up to the last ``@``.
    """
    return re.sub(rf"(?<=://)(?:[^/\s]*@(?={_HOST})|(?!{_HOST})\S*@)|(?<=\?)[^\s'\"#]+", "", text)


def printable(text: str, *, lines: bool = False) -> str:
    """Text of a repository as it may stand in documents and logs: no control characters, one line or several."""
    if lines:
        return "\n".join(printable(line) for line in text.split("\n")).strip("\n")
    return "".join(character if character.isprintable() else " " for character in text).strip()
