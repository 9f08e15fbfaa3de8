"""Sanitizing of untrusted text for logs and documents: no control characters, no secrets in URLs."""

from __future__ import annotations

import json
import re
from typing import Any

_HOST = r"(?:[\w-]+(?:\.[\w-]+)+|localhost|\[[0-9A-Fa-f:.]+\])(?::\d{1,5})?(?:[/?#\s'\"]|$)"


_USER = re.compile(rf"(?<=://)(?:[^/\s]*@(?={_HOST})|(?!{_HOST})\S*@)")
_QUERY = re.compile(r"(?<=\?)[^\s'\"#]+")
_LONGEST_HOST = 300
_COMMANDS = re.compile("[\x7f-\x9f\u2028-\u202e\u2066-\u2069]")


def redacted(text: str) -> str:
    """Remove user, password and query from the URLs in a text.

    If no host follows the ``@``, as after an invalid password with a slash, everything up to the last ``@`` is removed.
    """
    if "://" not in text and "?" not in text:
        return text
    return re.sub(r"\S+", lambda word: _QUERY.sub("", _without_user(word[0])), text)


def _without_user(word: str) -> str:
    """Remove users up to the last ``@``: behind it, each ``://`` would search the rest of the word for another one."""
    end = word.rfind("@") + 1 + _LONGEST_HOST
    return _USER.sub("", word[:end]) + word[end:] if "@" in word else word


def printable(text: str, *, lines: bool = False) -> str:
    """Replace control characters in a text; keep line breaks only if ``lines``."""
    if lines:
        return "\n".join(printable(line) for line in text.split("\n")).strip("\n")
    return _without_controls(text).strip()


def for_terminal(text: str) -> str:
    """Replace control characters, such as those of a terminal's commands, in lines that keep their indentation."""
    return "\n".join(map(_without_controls, text.split("\n")))


def json_for_terminal(value: Any, *, indent: int = 1) -> str:
    """Return a value as indented JSON, without what `escape_json` escapes."""
    return escape_json(json.dumps(value, indent=indent, ensure_ascii=False))


def escape_json(text: str) -> str:
    """Escape what JSON leaves as it is, and some terminals take for commands or another direction of writing."""
    return _COMMANDS.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def _without_controls(text: str) -> str:
    return text if text.isprintable() else "".join(one if one.isprintable() else " " for one in text)
