"""Times of data: CF time axes, attributes, and file names."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from typing import Any

from generator.staging.stac.formats.description import UnclearError

_DATE = re.compile(
    r"(?<!\d)((?:19|20)\d\d)([-_]?)(0[1-9]|1[0-2])\2(0[1-9]|[12]\d|3[01])"
    r"(?:[T_-]?([01]\d|2[0-3])[-:]?([0-5]\d)(?:[-:]?([0-5]\d))?Z?)?(?!\d)"
)
"""A date in a file name, perhaps with a time: 20260203, 2026-02-03, 20260203T040506."""
_DAY = timedelta(days=1) - timedelta(seconds=1)


def spell_time(time: datetime) -> str:
    """Return a time in UTC as RFC 3339; times without a zone are in UTC."""
    known = time.replace(tzinfo=timezone.utc) if time.tzinfo is None else time.astimezone(timezone.utc)
    return known.isoformat().replace("+00:00", "Z")


def times_in_name(name: str) -> tuple[str, str]:
    """Return the first and last time that a file's name states: of one date, or of two; else two empty texts.

    A date without a time is the whole day. Names with more dates do not say which of them is the data's.
    """
    found = list(dict.fromkeys(match.groups() for match in _DATE.finditer(name)))
    try:
        spans = [_span(groups) for groups in found]
    except ValueError:
        return "", ""
    if not spans or len(spans) > 2 or spans[0][0] > spans[-1][0]:
        return "", ""
    return spell_time(spans[0][0]), spell_time(spans[-1][1])


def _span(groups: tuple[str | None, ...]) -> tuple[datetime, datetime]:
    year, _, month, day, hour, minute, second = (one or "0" for one in groups)
    start = datetime(int(year), int(month), int(day), tzinfo=timezone.utc)
    if groups[4] is None:
        return start, start + _DAY
    start += timedelta(hours=int(hour), minutes=int(minute), seconds=int(second))
    return start, start


def times_of_attributes(attributes: Mapping[str, Any]) -> tuple[str, str]:
    """Return the times of ``time_coverage_start`` and ``time_coverage_end`` (ACDD 1.3), else two empty texts."""
    start, end = (_parse(attributes.get(f"time_coverage_{one}")) for one in ("start", "end"))
    if start is None or (end is not None and end < start):
        return "", ""
    return spell_time(start), spell_time(end or start)


def _parse(text: object) -> datetime | None:
    """Parse an ISO 8601 time, of which attributes have many spellings; None if it is another text."""
    if not isinstance(text, str):
        return None
    match = re.fullmatch(
        r"(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d(?::\d\d)?)(?:\.\d+)?)? *(Z|UTC|[+-]\d\d:?\d\d)?", text.strip()
    )
    if not match:
        return None
    day, time, zone = match.groups()
    offset = {"Z": "+00:00", "UTC": "+00:00"}.get(zone or "Z", zone or "")
    if ":" not in offset:
        offset = f"{offset[:3]}:{offset[3:]}"
    time = time or "00:00:00"
    try:
        return datetime.fromisoformat(f"{day}T{time if time.count(':') == 2 else time + ':00'}{offset}").astimezone(
            timezone.utc
        )
    except (ValueError, OverflowError):
        return None


def decode_cf_time(value: float, units: str, calendar: str) -> str:
    """Decode a number of a CF time axis (CF Conventions, "Time Coordinate").

    Raises:
        UnclearError: the units are not valid, or the date does not exist in the calendar of STAC.
    """
    import cftime

    try:
        found = cftime.num2date(value, units, calendar=calendar, only_use_cftime_datetimes=True)
        parts = (found.year, found.month, found.day, found.hour, found.minute, found.second)
        return spell_time(datetime(*parts, tzinfo=timezone.utc))
    except (ValueError, TypeError, OverflowError):
        raise UnclearError(
            f"its times, {units[:60]!r} in the calendar {calendar[:30]!r}, have no date in STAC"
        ) from None
