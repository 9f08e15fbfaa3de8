"""Find the lines of a Dockerfile that surely begin an instruction, as BuildKit's parser reads them.

Source: ``frontend/dockerfile/parser/parser.go`` of BuildKit. Where its versions differ, or words of a shell would have
to be read, the rest of the file is undecided.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

_ESCAPE = re.compile(r"^[^\S\n]*(?:#|//)[^\S\n]*escape[^\S\n]*=", re.IGNORECASE | re.MULTILINE)
ambiguous_space = re.compile(r"[\v\f\x1c-\x1f]|\r(?!\n)")
"""Characters that are spaces in Python or in some functions of Go, not in all, and line ends that Go alone trims."""
_IGNORED = re.compile(r"\s*(#|$)")
_CONTINUES = re.compile(r"(?<!\\)(\\*)\\[ \t]*$")
_HEREDOC = re.compile(r"(?<=\s)\d*<<(?P<tabs>-?)(?P<quote>[\"']?)(?P<name>\w[\w.-]*)(?P=quote)(?=\s|$)", re.ASCII)
_WITH_HEREDOC = re.compile(r"\s*(?:RUN|COPY|ADD)\s", re.IGNORECASE)
_MAY_HAVE_HEREDOC = re.compile(r"\s*(?:RUN|COPY|ADD|ONBUILD)\b", re.IGNORECASE)


def lines_of(text: str) -> list[str]:
    """Split a Dockerfile into lines, as BuildKit does."""
    return re.split(r"\r?\n", text.lstrip("\ufeff"))


def decided_lines(text: str) -> tuple[frozenset[int], int]:
    """Return the numbers of the lines that begin instructions, and that of the line from which on it is undecided."""
    lines = lines_of(text)
    if _ESCAPE.search(text.lstrip("\ufeff")) or ambiguous_space.search(text):
        return frozenset(), 0
    first, number = set[int](), 0
    while number < len(lines):
        if _IGNORED.match(lines[number]):
            number += 1
            continue
        words, end = _instruction(lines, number)
        after = _after_heredocs(lines, words, end)
        if after is None:
            return frozenset(first), number
        first.add(number)
        number = after
    return frozenset(first), len(lines)


def _instruction(lines: Sequence[str], number: int) -> tuple[str | None, int]:
    """Join an instruction's lines; None if one ends with two escape characters, which some versions continue."""
    words, start = "", number
    while number < len(lines):
        line, number = lines[number], number + 1
        if number > start + 1 and _IGNORED.match(line):
            continue
        end = _CONTINUES.search(line)
        if end and end[1]:
            return None, number
        words += line[: end.start()] if end else line
        if not end:
            break
    return words, number


def _after_heredocs(lines: Sequence[str], words: str | None, number: int) -> int | None:
    """Return the number of the line after the heredocs of an instruction; None if they are undecided."""
    if words is None:
        return None
    if "<<" not in words or not _MAY_HAVE_HEREDOC.match(words):
        return number
    rest = _HEREDOC.sub("", words)
    if not _WITH_HEREDOC.match(words) or "<<" in rest or set(rest) & set("\"'\\`$"):
        return None
    for heredoc in _HEREDOC.finditer(words):
        while number < len(lines) and heredoc["name"] != (
            lines[number].lstrip("\t") if heredoc["tabs"] else lines[number]
        ):
            number += 1
        number += 1
    return number
