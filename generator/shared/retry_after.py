"""The header ``Retry-After``: how long a server asks its client to wait (RFC 9110, 10.2.3)."""

from __future__ import annotations

import time
from email.utils import parsedate_to_datetime

_LONGEST_NUMBER = 9


def read_retry_after(text: str | None) -> float | None:
    """Return the seconds that a value of the header means, in either form; None if it is missing or invalid."""
    text = (text or "").strip()
    if text.isascii() and text.isdigit():
        return float(text[:_LONGEST_NUMBER])
    try:
        return max(parsedate_to_datetime(text).timestamp() - time.time(), 0.0)
    except (TypeError, ValueError, OverflowError):
        return None
