"""Progress output on stderr: one line per step, with seconds on a terminal, collapsible sections in a GitLab job."""

from __future__ import annotations

import io
import os
import re
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TextIO
from weakref import WeakKeyDictionary

from generator.shared.passing_errors import is_full_disk
from generator.shared.safe_text import printable

_BOLD, _DIM, _YELLOW, _PLAIN = "\x1b[1m", "\x1b[2m", "\x1b[33m", "\x1b[0m"
_CLEAR = "\r\x1b[2K"
_BAR, _COLUMNS = 20, 80
_SHORT = 1.0
"""Seconds of a step that is too short to show how long it took."""


class _LossyFile(io.FileIO):
    """A file in which what a full disk does not take is lost."""

    def write(self, data: Any) -> int:
        """Write bytes; return how many were written, or lost."""
        try:
            return super().write(data)
        except OSError as error:
            if not is_full_disk(error):
                raise
            return memoryview(data).nbytes


def survive_a_full_log() -> None:
    """Lose what a process prints to stderr while the disk of that file is full: no run ends for its log.

    A stream that replaces stderr, such as that of a test or of a program that imports packmill, is left as it is.
    """
    if isinstance(sys.stderr, io.TextIOWrapper) and sys.stderr is sys.__stderr__:
        file = _LossyFile(sys.stderr.fileno(), "wb", closefd=False)
        encoding = sys.stderr.encoding
        sys.stderr = io.TextIOWrapper(io.BufferedWriter(file), encoding, errors="backslashreplace", line_buffering=True)


@dataclass(slots=True)
class Progress:
    """Steps, their details and warnings; ``sections`` writes GitLab's collapsible markers around each step."""

    out: TextIO = field(default_factory=lambda: sys.stderr)
    sections: bool = False
    started: float = field(default_factory=time.monotonic)

    @contextmanager
    def step(self, title: str) -> Iterator[None]:
        """Print a step's title, and wrap the output inside in a collapsible section (https://docs.gitlab.com/ci/jobs/job_logs/)."""
        title = printable(title)
        name = re.sub(r"[^a-z0-9]+", "_", title.lower()).strip("_")[:40] or "step"
        if self.sections:
            self._write(f"\x1b[0Ksection_start:{int(time.time())}:{name}[collapsed=true]\r\x1b[0K{title}")
        else:
            self._write(f"==> {title}", _BOLD)
        try:
            with self.timed():
                yield
        finally:
            if self.sections:
                self._write(f"\x1b[0Ksection_end:{int(time.time())}:{name}\r\x1b[0K")

    @contextmanager
    def timed(self) -> Iterator[None]:
        """On a terminal, show the seconds since the start of the block, and in the end how long it took."""
        line = _status_line(self.out) if not self.sections else None
        if line is None:
            yield
            return
        began = time.monotonic()
        line.begin(began)
        try:
            yield
        finally:
            line.end()
            if (taken := time.monotonic() - began) >= _SHORT:
                self._write(f"    took {duration(taken)}", _DIM)

    def count(self, number: int, total: int, what: str) -> None:
        """On a terminal, show a bar for the unit ``number`` of ``total`` that starts, in the block of `timed`."""
        line = _status_line(self.out)
        if line is not None:
            line.show(bar(number, total, what))

    def say(self, line: str) -> None:
        """Print a detail of the current step."""
        self._write(f"    {printable(line, lines=True)}")

    def warn(self, message: str) -> None:
        """Print a warning."""
        self._write(f"warning: {printable(message, lines=True)}", _YELLOW)

    def _write(self, line: str, style: str = "") -> None:
        status = _status_line(self.out)
        if status is None:
            print(line, file=self.out, flush=True)
        else:
            status.write(f"{style}{line}{_PLAIN}" if style and has_colors(self.out) else line)


def has_colors(out: TextIO) -> bool:
    """Return whether a stream is a terminal with colors that the user did not turn off (https://no-color.org)."""
    return out.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def duration(seconds: float) -> str:
    """Return a duration such as ``12 s`` or ``3 min 5 s``."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def bar(number: int, total: int, what: str) -> str:
    """Return a bar while a unit is worked on, such as ``[##------------------] cell 2 of 8``."""
    filled = max(0, min(_BAR * (number - 1) // max(total, 1), _BAR))
    return f"[{'#' * filled}{'-' * (_BAR - filled)}] {what} {number} of {total}"


class _StatusLine:
    """The last line of a terminal, which a thread rewrites every second; other lines are printed above it."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._lock = threading.Lock()
        self._begun: list[float] = []
        self._text = ""
        self._ended = threading.Event()

    def begin(self, at: float) -> None:
        """Show the seconds since a point in time."""
        self._begun.append(at)
        if len(self._begun) == 1:
            self._ended = threading.Event()
            threading.Thread(target=self._tick, args=(self._ended,), daemon=True).start()

    def end(self) -> None:
        """Go back to what was shown before `begin`."""
        self._begun.pop()
        self._text = ""
        if not self._begun:
            self._ended.set()
        self.write("")

    def show(self, text: str) -> None:
        """Show a text after the seconds."""
        self._text = text
        self.write("")

    def write(self, line: str) -> None:
        """Print a line above the status; no line for an empty one."""
        with self._lock:
            self._out.write(f"{_CLEAR}{line}\n" if line else _CLEAR)
            if self._begun:
                self._out.write(self._status())
            self._out.flush()

    def _tick(self, ended: threading.Event) -> None:
        while not ended.wait(1):
            self.write("")

    def _status(self) -> str:
        """Return the status; the cursor is at its start, so that the output of other programs replaces it."""
        seconds = duration(time.monotonic() - self._begun[-1])
        text = f"    {seconds}  {self._text}".rstrip()
        text = text[: (os.get_terminal_size(self._out.fileno()).columns or _COLUMNS) - 1]
        return f"{_DIM}{text}{_PLAIN}\r" if has_colors(self._out) else f"{text}\r"


_lines: WeakKeyDictionary[TextIO, _StatusLine] = WeakKeyDictionary()


def _status_line(out: TextIO) -> _StatusLine | None:
    """Return the status line of a terminal, which all `Progress` of a process share; None for other streams."""
    if not out.isatty() or os.environ.get("TERM") == "dumb":
        return None
    return _lines.setdefault(out, _StatusLine(out))
