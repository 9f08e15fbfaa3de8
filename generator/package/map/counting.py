"""The progress of a map on stderr: one line that changes on a terminal, and a line from time to time elsewhere."""

from __future__ import annotations

import sys
import time
from collections import deque
from typing import TextIO

from generator.package.map.journal import Ended
from generator.package.map.rows import PlannedRow

_ON_TERMINAL, _ELSEWHERE = 0.2, 10.0
"""Seconds between two lines."""
_WINDOW = 400
"""Rows whose rate tells the time left, of which the later half counts."""
_MANY = 8
"""How many times as many rows have ended as run before the earlier half is left out: it has the start of containers."""


class Counter:
    """Counts rows that ended, and shows how the map goes."""

    def __init__(self, total: int, done: int, out: TextIO | None = None) -> None:
        """``done`` rows of ``total`` have their results from an earlier map."""
        self.total, self.done, self.failed = total, done, 0
        self._out = out or sys.stderr
        self._changing = self._out.isatty()
        self._shown = time.monotonic()
        self._ends: deque[float] = deque([time.monotonic()], maxlen=_WINDOW)

    def note(self, row: PlannedRow, ended: Ended) -> None:
        """Count a row that ended."""
        del row  # for those that print it
        self.done += 1
        self.failed += not ended.has_succeeded
        self._ends.append(time.monotonic())

    @property
    def left(self) -> int:
        """How many rows have no results yet."""
        return self.total - self.done

    @property
    def pause(self) -> float:
        """Seconds between two lines."""
        return _ON_TERMINAL if self._changing else _ELSEWHERE

    def show(self, running: int) -> None:
        """Print the state if it is time to."""
        now = time.monotonic()
        if now - self._shown >= self.pause:
            self._shown = now
            self._print(self._line(running), end="" if self._changing else "\n")

    def finish(self) -> None:
        """Print the last state."""
        if len(self._ends) > 1:
            self._print(self._line(0), end="\n")

    def _print(self, line: str, *, end: str) -> None:
        start = "\r\x1b[K" if self._changing else ""
        print(f"{start}    {line}", end=end, file=self._out, flush=True)

    def _line(self, running: int) -> str:
        rate = self._rate(running)
        left = f", {_duration(self.left / rate)} left" if rate and self.left else ""
        failed = f", {self.failed} failed" if self.failed else ""
        at_work = f", {running} running" if running else ""
        speed = f", {rate:.1f} rows/s" if rate >= 1 else f", {60 * rate:.1f} rows/min" if rate else ""
        return f"{self.done} of {self.total} rows done{failed}{at_work}{speed}{left}"

    def _rate(self, running: int) -> float:
        first = len(self._ends) // 2 if len(self._ends) > _MANY * running else 0
        count, spent = len(self._ends) - 1 - first, time.monotonic() - self._ends[first]
        return count / spent if spent > 0 and count > 0 else 0.0


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s" if minutes else f"{rest} s"
