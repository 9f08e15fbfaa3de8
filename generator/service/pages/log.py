"""Convert a job's log to lines of HTML: escaped, colored, and divided into sections."""

from __future__ import annotations

import html
from collections.abc import Iterable
from typing import Any

from generator.service.jobs.trace_text import COLOR, OTHER, SECTION

_LONGEST_LINE, _LONGEST_WAIT = 10_000, 1 << 19
_MOST_LINES = 5000
"""The most lines that a browser displays well at once; a megabyte of line ends has a million."""
_NAMES = ("black", "red", "green", "yellow", "blue", "magenta", "cyan", "white")

Line = dict[str, Any]
"""``{"html": …}`` a line, ``{"start": name, "html": header, "at": seconds}``, ``{"end": name, "at": seconds}``."""


def lines(chunk: bytes) -> tuple[list[Line], int]:
    """Return the first complete lines of a chunk and their length in bytes; the rest is for the next call."""
    taken = _length_of_lines(chunk)
    whole = chunk[:taken].removesuffix(b"\n")
    if not taken and len(chunk) >= _LONGEST_WAIT:
        whole, taken = chunk, len(chunk)  # show an endless line in pieces
    found: list[Line] = []
    for text in whole.decode("utf-8", "replace").split("\n") if taken else ():
        found += _convert_line(text)
    return found, taken


def offset_of_last_lines(chunk: bytes) -> int:
    """Return the offset in a chunk of the last lines that `lines` can return at once."""
    position = len(chunk)
    for _ in range(_MOST_LINES):
        position = chunk.rfind(b"\n", 0, max(0, position - 1)) + 1
        if not position:
            return 0
    return position


def _length_of_lines(chunk: bytes) -> int:
    """Return the length of a chunk's first complete lines, at most as many as are shown at once."""
    position = 0
    for _ in range(_MOST_LINES):
        after = chunk.find(b"\n", position) + 1
        if not after:
            break
        position = after
    return position


def depth(found: Iterable[Line]) -> int:
    """Return how many sections are open after these lines."""
    count = 0
    for line in found:
        count = count + 1 if "start" in line else max(0, count - 1) if "end" in line else count
    return count


def _convert_line(text: str) -> list[Line]:
    """Convert one line; section markers may occur anywhere in it."""
    if len(text) > _LONGEST_LINE:
        text = f"{text[:_LONGEST_LINE]} … {len(text) - _LONGEST_LINE} more characters"
    if text.isprintable():  # no section, no color: nearly every line
        return [{"html": html.escape(text)}]
    found: list[Line] = []
    position, header = 0, None
    for mark in SECTION.finditer(text):
        before = text[position : mark.start()]
        if before.strip("\r"):
            found.append({"html": _to_html(before)})
        position = mark.end()
        if mark[1] == "start":
            header = {"start": mark[3], "at": int(mark[2]), "folded": "collapsed=true" in (mark[4] or ""), "html": ""}
            found.append(header)
        else:
            found.append({"end": mark[3], "at": int(mark[2])})
    rest = text[position:]
    if header is not None and found[-1] is header:
        header["html"] = _to_html(rest)
    elif rest.strip("\r") or not found:
        found.append({"html": _to_html(rest)})
    return found


def _to_html(text: str) -> str:
    """Escape a text and convert its colors; of an overwritten line only the last text remains."""
    text = text.rstrip("\r").rpartition("\r")[2]
    parts = COLOR.split(text)
    shown, classes = [_escape(parts[0])], set[str]()
    for codes, words in zip(parts[1::2], parts[2::2], strict=True):
        classes = _apply_codes(classes, codes)
        escaped = _escape(words)
        if escaped:
            shown.append(f'<span class="{" ".join(sorted(classes))}">{escaped}</span>' if classes else escaped)
    return "".join(shown)


def _escape(text: str) -> str:
    return html.escape(OTHER.sub("", text))


def _apply_codes(classes: set[str], codes: str) -> set[str]:
    """Return the classes after an SGR sequence (ECMA-48, 8.3.117); supports what logs use."""
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
