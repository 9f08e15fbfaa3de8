"""Dates and times: their texts in ISO 8601, and words such as ``today-5d`` that a run replaces by a time.

A time without an offset is in UTC. `is_dynamic` texts are never replaced when a package is built.
"""

from __future__ import annotations

import calendar
import re
from dataclasses import replace
from datetime import date, datetime, timedelta, timezone

from generator.notebook.parameters import Format, Hint, Literal

_DATE = r"\d{4}-\d{2}-\d{2}"
_TIME = r"\d{2}:\d{2}(?::\d{2}(?:[.,]\d{1,9})?)?"
_ISO = re.compile(rf"(?P<date>{_DATE})(?:[Tt ](?P<time>{_TIME})\s*(?P<zone>[Zz]|[+-]\d{{2}}:?\d{{2}})?)?", re.ASCII)
_SHIFT = r"\s*[+-]\s*\d{1,5}\s*(?:min|mo|[hdwy])"
_DYNAMIC = re.compile(rf"(?P<word>today|now|yesterday|tomorrow)(?P<shift>{_SHIFT})?", re.ASCII)
_DAY = len("2020-01-31")
_UNITS = {"min": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def is_dynamic(value: object) -> bool:
    """Whether a text is a word such as ``today`` or ``now-6h``."""
    return isinstance(value, str) and _DYNAMIC.fullmatch(value.strip()) is not None


def date_text(text: str, kind: Format | None) -> str | None:
    """Return the text of a date, or of a date and a time; None if it is neither that nor a word for one."""
    text = text.strip()
    dynamic = _DYNAMIC.fullmatch(text)
    if dynamic:
        is_of_day = dynamic["word"] != "now" and not re.search(r"min|h$", dynamic["shift"] or "")
        return text if is_of_day or kind is Format.DATETIME else None
    match = _ISO.fullmatch(text)
    if match is None or (kind is Format.DATE and match["time"]):
        return None
    return text if moment_of(text) else None


def moment_of(text: str) -> datetime | None:
    """Return the time of a text, in UTC; None if there is no such day or time."""
    match = _ISO.fullmatch(text.strip())
    if match is None:
        return None
    time, zone = (match["time"] or "00:00").replace(",", "."), match["zone"] or ""
    clock, _, fraction = time.partition(".")
    offset = "+00:00" if zone in ("", "Z", "z") else f"{zone[:3]}:{zone[-2:]}"
    clock = clock if clock.count(":") == 2 else f"{clock}:00"
    try:
        moment = datetime.fromisoformat(f"{match['date']}T{clock}.{fraction[:6].ljust(6, '0')}{offset}")
        return moment.astimezone(timezone.utc)
    except (ValueError, OverflowError):
        return None


def has_offset(text: str) -> bool:
    """Whether a text names its offset from UTC."""
    match = _ISO.fullmatch(text.strip())
    return match is not None and match["zone"] is not None


def resolve(text: str, kind: Format | None, now: datetime) -> str:
    """Return the text of the date that a word such as ``today-5d`` stands for at a time; other texts as they are.

    Raises:
        ValueError: the date is before the year 1 or after the year 9999.
    """
    match = _DYNAMIC.fullmatch(text.strip())
    if match is None:
        return text.strip()
    moment = now.astimezone(timezone.utc).replace(microsecond=0)
    if match["word"] != "now":
        days = {"yesterday": -1, "tomorrow": 1}.get(match["word"], 0)
        moment = moment.replace(hour=0, minute=0, second=0) + timedelta(days=days)
    try:
        moment = _shifted(moment, "".join((match["shift"] or "").split()))
    except (OverflowError, ValueError):
        raise ValueError(f"{text!r} is not a date between the years 1 and 9999") from None
    return moment.date().isoformat() if kind is Format.DATE else f"{moment.replace(tzinfo=None).isoformat()}Z"


def _shifted(moment: datetime, shift: str) -> datetime:
    match = re.fullmatch(r"([+-]\d+)([a-z]+)", shift)
    if match is None:
        return moment
    number, unit = int(match[1]), match[2]
    if unit in _UNITS:
        return moment + timedelta(**{_UNITS[unit]: number})
    months = moment.year * 12 + moment.month - 1 + number * (12 if unit == "y" else 1)
    year, month = months // 12, months % 12 + 1
    return moment.replace(year=year, month=month, day=min(moment.day, calendar.monthrange(year, month)[1]))


def resolved_bounds(hint: Hint, now: datetime) -> Hint:
    """Return a type whose bounds are dates, not words."""
    if hint.bounds is None:
        return hint
    low, high = (
        resolve(one, hint.format, now) if isinstance(one, str) else None
        for one in (hint.bounds.minimum, hint.bounds.maximum)
    )
    return replace(hint, bounds=replace(hint.bounds, minimum=low, maximum=high))


def like_default(text: str, default: Literal | object) -> str:
    """Return a time in the form of the cell's own text: with an offset or in UTC without one, with "T" or a space."""
    match = _ISO.fullmatch(default.strip()) if isinstance(default, str) and text != default else None
    if match is None or not match["time"] or len(text) == _DAY:
        return text
    if match["zone"] and not has_offset(text):
        text = f"{text}Z"
    elif not match["zone"] and has_offset(text) and (moment := moment_of(text)):
        text = moment.replace(tzinfo=None).isoformat()
    separator = "T" if match[0][_DAY] == "t" else match[0][_DAY]
    return f"{text[:_DAY]}{separator}{text[_DAY + 1 :]}"


def utc_text(text: str) -> str:
    """Return a time as RFC 3339 has it, with an offset; words such as ``now`` stay as they are."""
    moment = moment_of(text)
    return text if moment is None else f"{moment.replace(tzinfo=None).isoformat()}Z"


def native(text: str, kind: Format | None, default: Literal | object) -> date | datetime:
    """Return a text as Python's date, or its datetime, which has an offset if the cell's own or the text has one."""
    moment = moment_of(text)
    if moment is None:
        raise ValueError(f"{text!r} is not a {kind}")
    if kind is Format.DATE:
        return moment.date()
    aware = has_offset(default) if isinstance(default, str) and not is_dynamic(default) else has_offset(text)
    return moment if aware else moment.replace(tzinfo=None)
