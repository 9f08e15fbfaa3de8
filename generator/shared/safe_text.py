"""Sanitizing of untrusted text for logs and documents: no control characters, no secrets in URLs."""

from __future__ import annotations

import re

_HOST = r"(?:[\w-]+(?:\.[\w-]+)+|localhost|\[[0-9A-Fa-f:.]+\])(?::\d{1,5})?(?:[/?#\s'\"]|$)"


def redacted(text: str) -> str:
    """Remove user, password and query from the URLs in a text.

    If no host follows the ``@``, as after an invalid password with a slash, everything up to the last ``@`` is removed.
    """
    return re.sub(rf"(?<=://)(?:[^/\s]*@(?={_HOST})|(?!{_HOST})\S*@)|(?<=\?)[^\s'\"#]+", "", text)


def printable(text: str, *, lines: bool = False) -> str:
    """Replace control characters in a text; keep line breaks only if ``lines``."""
    if lines:
        return "\n".join(printable(line) for line in text.split("\n")).strip("\n")
    return "".join(character if character.isprintable() else " " for character in text).strip()
