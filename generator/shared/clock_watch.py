"""Notice that somebody, or a time server, has set the system's clock, by a clock that only runs forward."""

from __future__ import annotations

import time
from collections.abc import Callable

_NOTICEABLE = 60.0
"""Seconds; smaller corrections, as time servers make them every day, change nothing."""
_SETTLING = 3600.0
"""Seconds in which a clock that was set forward by mistake is usually set back."""


def _wall() -> float:
    return time.time()


def _steady() -> float:
    """Return seconds that no one sets; they pass while the machine is suspended, too, where the system counts those."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


class ClockWatch:
    """Compares the system's clock with a steady one, at each `look`."""

    def __init__(self, *, wall: Callable[[], float] = _wall, steady: Callable[[], float] = _steady) -> None:
        """``wall`` and ``steady`` return seconds."""
        self._wall, self._steady = wall, steady
        self._offset = wall() - steady()
        self._settles_at = 0.0

    def look(self) -> float:
        """Return by how many seconds the clock was set since the last look: less than 0 if back, 0 if it was not."""
        now = self._steady()
        offset = self._wall() - now
        shift, self._offset = offset - self._offset, offset
        if abs(shift) < _NOTICEABLE:
            return 0.0
        if shift > 0:
            self._settles_at = now + _SETTLING
        return shift

    @property
    def is_settled(self) -> bool:
        """Whether ages may be trusted: the clock was not set forward within the last hour."""
        return self._steady() >= self._settles_at
