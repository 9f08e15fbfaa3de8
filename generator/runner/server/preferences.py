"""How long a request that runs a notebook waits for the end of the run (RFC 7240, "wait" and "respond-async")."""

from __future__ import annotations

import re

_ASYNC = re.compile(r"(?:^|[,;\s])respond-async\b")
_WAIT = re.compile(r"(?:^|[,;\s])wait=(\d{1,6})\b")


def seconds_to_wait(prefer: str) -> float | None:
    """Return how long a request waits by its header ``Prefer``; None: until the run ends, unless it prefers less."""
    preferred = _WAIT.search(prefer)
    if preferred:
        return float(preferred[1])
    return 0.0 if _ASYNC.search(prefer) else None
