"""Token buckets: how many requests a caller may make a minute."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict

_MOST_CALLERS = 10_000


class RateLimit:
    """A bucket for each caller that refills steadily; for use from several threads."""

    def __init__(self, *, per_minute: int) -> None:
        self.per_minute = per_minute
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()
        self._guard = threading.Lock()

    def take(self, caller: str) -> float:
        """Count a request; return 0, or the seconds to wait if the caller is over the limit."""
        now = time.monotonic()
        with self._guard:
            left = self._refilled(caller, now)
            granted = left >= 1
            self._left[caller] = (left - 1 if granted else left, now)
            self._left.move_to_end(caller)
            while len(self._left) > _MOST_CALLERS:
                self._left.popitem(last=False)
        return 0.0 if granted else self._wait(left)

    def wait(self, caller: str) -> float:
        """Return the seconds until the caller may make a request, without counting one."""
        with self._guard:
            left = self._refilled(caller, time.monotonic())
        return 0.0 if left >= 1 else self._wait(left)

    def _refilled(self, caller: str, now: float) -> float:
        left, then = self._left.get(caller, (float(self.per_minute), now))
        return min(self.per_minute, left + (now - then) * self.per_minute / 60)

    def _wait(self, left: float) -> float:
        return max((1 - left) * 60 / self.per_minute, 0.01)
