"""Evaluate a word or an array of bash or zsh, if the shell would not expand a part of it (bash, "Quoting")."""

from __future__ import annotations

import re
from collections.abc import Iterator
from decimal import Decimal

from generator.notebook.parameters import Literal, Missing

QUOTED = re.compile(r"""\$'(?:[^'\\]|\\.)*'|'[^']*'|"(?:[^"\\]|\\.)*"|\\.""", re.DOTALL)
_PART = re.compile(
    r"""'(?P<single>[^']*)'|"(?P<double>(?:[^"\\]|\\.)*)"|\\(?P<escaped>.)|(?P<bare>[^'"\\]+)""", re.DOTALL
)
_CHANGES = re.compile(r"[$`*?\[~{&|;<>()]|(?:^|:)=")
"""Without quotes: expansions, globs, a home, braces, marks of commands, and a command's path by ``=`` (zsh)."""
_CHANGES_IN_DOUBLE_QUOTES = re.compile(r"[$`]|\\!")
_ESCAPE_IN_DOUBLE_QUOTES = re.compile(r'\\(?:([$`"\\])|\n)')
"""Every other backslash in double quotes is a character."""
_NUMBER = re.compile(r"-?(?:\d{1,40}|(?:\d+\.\d*|\.\d+)(?:[eE][+-]?\d+)?)")
_WORDS = {"true": True, "false": False}


def literal(text: str) -> Literal | Missing:
    """Return the value of a word or of an array in brackets; COMPUTED if the shell would expand a part of it."""
    if text.startswith("(") and text.endswith(")"):
        return _array(_words_of(text[1:-1]))
    return _word(text)


def is_followed(text: str) -> bool:
    """Return whether anything follows the word or the array that a text begins with, such as a command."""
    depth = 0
    for mark in re.findall(r"[({]|[)}]|[\s&|]", re.sub(r"`[^`]*`", "", QUOTED.sub("", text))):
        if mark in "({":
            depth += 1
        elif mark in ")}":
            depth -= depth > 0
        elif depth == 0:
            return True
    return False


def _array(words: list[str]) -> Literal | Missing:
    items = [_word(word) for word in words]
    if any(isinstance(item, Missing) for item in items):
        return Missing.COMPUTED
    if all(map(_NUMBER.fullmatch, words)) and any(isinstance(item, str) for item in items):
        return list[Literal](words)  # 09 and 10 are texts, if 09 is one
    return items  # type: ignore[return-value]


def _words_of(text: str) -> list[str]:
    """Split text into words, with their quotes."""
    return re.findall(r"""(?:'[^']*'|"(?:[^"\\]|\\.)*"|\\.|[^ \t\n'"\\])+""", text, re.DOTALL)


def _word(text: str) -> Literal | Missing:
    if _NUMBER.fullmatch(text):
        number = float(text) if re.search(r"[.eE]", text) else int(text)
        is_shortest = text in (repr(number), format(Decimal(repr(number)), "f"))
        return number if is_shortest else text  # 06 and 1.10 are other texts than 6 and 1.1
    if text in _WORDS:
        return _WORDS[text]
    parts = list(_parts(text))
    return Missing.COMPUTED if None in parts else "".join(map(str, parts))


def _parts(text: str) -> Iterator[str | None]:
    """Yield the parts of a word without their quotes, and None for one that the shell would change."""
    for match in _PART.finditer(text):
        if match["double"] is not None:
            part = match["double"]
            is_changed = _CHANGES_IN_DOUBLE_QUOTES.search(_ESCAPE_IN_DOUBLE_QUOTES.sub(" ", part))
            yield None if is_changed else _ESCAPE_IN_DOUBLE_QUOTES.sub(r"\1", part)
        elif match["bare"] is not None:
            yield None if _CHANGES.search(match["bare"]) else match["bare"]
        else:
            yield match["single"] if match["escaped"] is None else match["escaped"]
