"""Notice that somebody, or a time server, has set the system's clock, by a clock that only runs forward."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

_NOTICEABLE = 60.0
"""Seconds; smaller corrections, as time servers make them every day, change nothing."""
_SETTLING = 3600.0
"""Seconds in which a clock that was set forward by mistake is usually set back, and one that lost its time gets it."""
_REMEMBERED_EVERY = 60.0


def _wall() -> float:
    return time.time()


def _steady() -> float:
    """Return seconds that no one sets; they pass while the machine is suspended, too, where the system counts those."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


class ClockWatch:
    """Compares the system's clock with a steady one, at each `look`.

    With a file as its memory, it also notices a clock that was set forward while the program did not run. Such a pause
    and a long one look alike, so that a program that starts more than an hour after its last look gets both as a step.
    A clock before that time may have lost it, as without a battery: for an hour, it `is_behind` until it is set.
    """

    def __init__(
        self,
        *,
        wall: Callable[[], float] = _wall,
        steady: Callable[[], float] = _steady,
        memory: Path | None = None,
    ) -> None:
        """``wall`` and ``steady`` return seconds; ``memory`` has the last settled time, written by `look`."""
        self._wall, self._steady, self._memory = wall, steady, memory
        self._offset = wall() - steady()
        self._settles_at, self._remembered_at = 0.0, -math.inf
        self.remembered = _read(memory) if memory else math.inf
        """The last settled time of an earlier program in Unix seconds, infinity without one."""
        is_earlier = math.isfinite(self.remembered) and wall() < self.remembered - _NOTICEABLE
        self._believed_at = steady() + _SETTLING if is_earlier else 0.0
        ahead = wall() - self.remembered
        if ahead > _SETTLING:
            self._offset -= ahead
            self._settles_at = steady() + _SETTLING

    def look(self) -> float:
        """Return by how many seconds the clock was set since the last look: less than 0 if back, 0 if it was not."""
        now = self._steady()
        offset = self._wall() - now
        shift, self._offset = offset - self._offset, offset
        if shift >= _NOTICEABLE:
            self._settles_at = now + _SETTLING
        if self._memory and now >= max(self._settles_at, self._believed_at, self._remembered_at + _REMEMBERED_EVERY):
            self._remembered_at = now
            _write(self._memory, self._wall())
        return shift if abs(shift) >= _NOTICEABLE else 0.0

    @property
    def is_behind(self) -> bool:
        """Whether the clock is before the last settled time of an earlier program, and may be set soon."""
        return self._steady() < self._believed_at and self._wall() < self.remembered

    @property
    def is_settled(self) -> bool:
        """Whether ages may be trusted: the clock was not set forward within the last hour."""
        return self._steady() >= self._settles_at


def _read(memory: Path) -> float:
    """Return the time in a file; infinity if the file is missing or invalid, so that no clock is ahead of it."""
    try:
        return float(memory.read_text(encoding="ascii"))
    except (OSError, ValueError):
        return math.inf


def _write(memory: Path, moment: float) -> None:
    new = memory.with_name(f".{memory.name}.{os.getpid()}.new")
    with suppress(OSError):  # a full disk must not end the service
        new.write_text(f"{moment:.0f}\n", encoding="ascii")
        new.replace(memory)
