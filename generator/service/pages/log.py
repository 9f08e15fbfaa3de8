"""A job's log as lines of HTML: escaped, coloured, and told where sections begin and end."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable
from typing import Any

_SECTION = re.compile(
    r"(?:\x1b\[0K)?section_(start|end):(\d{1,12}):([\w.-]{1,200})(?:\[([^\]\r\n]{0,200})\])?\r(?:\x1b\[0K)?"
)
_COLOUR = re.compile(r"\x1b\[([0-9;]{0,64})m")
_OTHER = re.compile(r"\x1b(?:\[[0-9;?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\-_])|[\x00-\x08\x0b-\x1f\x7f]")
_LONGEST_LINE, _LONGEST_WAIT = 10_000, 1 << 19
_MOST_LINES = 5000
"""A browser shows so many at once without trouble; a log of a megabyte of line ends has a million."""
_NAMES = ("black", "red", "green", "yellow", "blue", "magenta", "cyan", "white")

Line = dict[str, Any]
"""``{"html": …}`` a line, ``{"start": name, "html": header, "at": seconds}``, ``{"end": name, "at": seconds}``."""


def lines(chunk: bytes) -> tuple[list[Line], int]:
    """The first whole lines of a chunk, and how many bytes they took; the rest is for the next call."""
    taken = _first_lines(chunk)
    whole = chunk[:taken].removesuffix(b"\n")
    if not taken and len(chunk) >= _LONGEST_WAIT:
        whole, taken = chunk, len(chunk)  # a line without end is shown in pieces
    found: list[Line] = []
    for text in whole.decode("utf-8", "replace").split("\n") if taken else ():
        found += _line(text)
    return found, taken


def last_lines(chunk: bytes) -> int:
    """Where in a chunk those lines begin that `lines` takes at once."""
    position = len(chunk)
    for _ in range(_MOST_LINES):
        position = chunk.rfind(b"\n", 0, max(0, position - 1)) + 1
        if not position:
            return 0
    return position


def _first_lines(chunk: bytes) -> int:
    """The length of the whole lines that a chunk begins with, at most so many as are shown at once."""
    position = 0
    for _ in range(_MOST_LINES):
        after = chunk.find(b"\n", position) + 1
        if not after:
            break
        position = after
    return position


def depth(found: Iterable[Line]) -> int:
    """How many sections are open after these lines."""
    count = 0
    for line in found:
        count = count + 1 if "start" in line else max(0, count - 1) if "end" in line else count
    return count


def _line(text: str) -> list[Line]:
    """What one line says: marks may stand before, between and behind its words."""
    if len(text) > _LONGEST_LINE:
        text = f"{text[:_LONGEST_LINE]} … {len(text) - _LONGEST_LINE} characters more"
    found: list[Line] = []
    position, header = 0, None
    for mark in _SECTION.finditer(text):
        before = text[position : mark.start()]
        if before.strip("\r"):
            found.append({"html": _html(before)})
        position = mark.end()
        if mark[1] == "start":
            header = {"start": mark[3], "at": int(mark[2]), "folded": "collapsed=true" in (mark[4] or ""), "html": ""}
            found.append(header)
        else:
            found.append({"end": mark[3], "at": int(mark[2])})
    rest = text[position:]
    if header is not None and found[-1] is header:
        header["html"] = _html(rest)
    elif rest.strip("\r") or not found:
        found.append({"html": _html(rest)})
    return found


def _html(text: str) -> str:
    """Escaped text with its colours; of a line that was written over, what was written last."""
    text = text.rstrip("\r").rpartition("\r")[2]
    parts = _COLOUR.split(text)
    shown, classes = [_escaped(parts[0])], set[str]()
    for codes, words in zip(parts[1::2], parts[2::2], strict=True):
        classes = _after(classes, codes)
        escaped = _escaped(words)
        if escaped:
            shown.append(f'<span class="{" ".join(sorted(classes))}">{escaped}</span>' if classes else escaped)
    return "".join(shown)


def _escaped(text: str) -> str:
    return html.escape(_OTHER.sub("", text))


def _after(classes: set[str], codes: str) -> set[str]:
    """The classes after an SGR sequence (ECMA-48, 8.3.117), as far as logs use them."""
    found = set(classes)
    for code in (int(code or 0) for code in codes.split(";")[:16]):
        if code == 0:
            found.clear()
        elif code in (1, 3, 4):
            found.add({1: "bold", 3: "italic", 4: "underlined"}[code])
        elif 30 <= code <= 37 or 90 <= code <= 97:
            found = {one for one in found if not one.startswith("ansi-")} | {f"ansi-{_NAMES[code % 10]}"}
        elif code == 39:
            found = {one for one in found if not one.startswith("ansi-")}
    return found
