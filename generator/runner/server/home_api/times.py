"""Times as clients of this interface know them: local, without a zone."""

from __future__ import annotations

from datetime import datetime


def local_now() -> datetime:
    """Return the local time without a zone."""
    return datetime.now()  # noqa: DTZ005 - see above


def stamp(time: datetime) -> str:
    """Return a time as bodies have it."""
    return time.isoformat(timespec="seconds")


def file_time(seconds: float) -> str:
    """Return the time of a file as bodies have it; one beyond the years of dates is the first or last of them."""
    try:
        return stamp(datetime.fromtimestamp(seconds))  # noqa: DTZ006 - see above
    except (ValueError, OverflowError, OSError):
        return stamp(datetime.max if seconds > 0 else datetime.min)  # noqa: DTZ901 - see above
