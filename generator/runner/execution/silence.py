"""A running cell that neither prints nor computes: the kernel may have lost its request."""

from __future__ import annotations

import os
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

_SECONDS = 60.0
_BEGIN = 5.0
"""Seconds of silence until processor time is measured."""
_SHARE = 0.005
"""Share of a processor that an idle kernel may use."""


class Silence:
    """The silence of one kernel since its last message."""

    def __init__(
        self, process_id: int, *, seconds: float = _SECONDS, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Warn after ``seconds``, once."""
        self.seconds = seconds
        self._process_id = process_id
        self._clock = clock
        self._is_reported = False
        self.end()

    def end(self) -> None:
        """Note a message or the start of a cell."""
        self._since = self._clock()
        self._used: tuple[float, float] | None = None

    def is_suspicious(self) -> bool:
        """Check, the first time that this holds, whether the kernel has been silent and idle for long."""
        now = self._clock()
        if self._is_reported or now - self._since < _BEGIN:
            return False
        if self._used is None:
            self._used = (now, processor_time(self._process_id))
            return False
        if now - self._since < self.seconds:
            return False
        began, used = self._used
        self._is_reported = processor_time(self._process_id) - used < _SHARE * (now - began)
        self.end()
        return self._is_reported


def processor_time(process_id: int) -> float:
    """Return the processor time, in seconds, of a process and its descendants (proc(5), stat: with ended children)."""
    times, children = {}, defaultdict(list)
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()
        except OSError:
            continue  # it ended
        times[int(path.parent.name)] = sum(map(int, fields[11:15]))
        children[int(fields[1])].append(int(path.parent.name))
    total, found = 0, [process_id]
    while found:
        process = found.pop()
        total += times.get(process, 0)
        found += children[process]
    return total / os.sysconf("SC_CLK_TCK")
