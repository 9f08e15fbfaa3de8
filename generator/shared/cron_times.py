"""The times of a cron expression in a time zone.

Where clocks change, times are those of Debian's cron (cronsim): a time that does not exist runs at the first moment
after the gap, and a time that comes twice runs once, the first time; but where every hour or every minute has a run,
each real hour or minute has one.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from functools import cache
from importlib.resources import files
from itertools import islice
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cronsim import CronSim, CronSimError

UNREADABLE_TIMES = (ZoneInfoNotFoundError, CronSimError, OSError, ValueError)
"""Errors about a stored expression or time zone that another machine, or an earlier version, has accepted."""
_LONGEST = 200
_NICKNAMES = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}


def check_expression(text: str) -> str:
    """Return a cron expression in its five fields.

    Raises:
        ValueError: the text is not an expression.
    """
    expression = " ".join(_NICKNAMES.get(text.strip().lower(), text).split())
    example = "write minute, hour, day of month, month and day of week, such as '30 6 * * 1-5'"
    if len(expression.split(" ")) != 5 or len(expression) > _LONGEST:
        raise ValueError(f"{text[:_LONGEST]!r} does not have five fields; {example}")
    try:
        CronSim(expression, datetime.now(timezone.utc))
    except CronSimError as error:
        raise ValueError(f"{text!r}: {str(error).lower()}; {example}") from None
    return expression


def check_time_zone(name: str) -> str:
    """Return the name of a time zone that every machine has.

    Systems have more names, such as ``localtime`` and ``right/UTC``; they mean something else on the next machine, or
    are missing there.

    Raises:
        ValueError: there is no such zone.
    """
    if name not in _zone_names():
        raise ValueError(f"{name[:_LONGEST]!r} not found; write a name such as 'Europe/Berlin'")
    return name


@cache
def _zone_names() -> frozenset[str]:
    """Return the names of the package tzdata, which packmill depends on."""
    return frozenset(files("tzdata").joinpath("zones").read_text(encoding="utf-8").split())


def times_after(time: datetime, expression: str, time_zone: str) -> Iterator[datetime]:
    """Yield the times after ``time`` in UTC, each later than the one before."""
    latest = time.astimezone(timezone.utc)
    for local in CronSim(expression, time.astimezone(ZoneInfo(time_zone))):
        found = local.astimezone(timezone.utc)
        if found > latest:  # in the hour that comes twice, cronsim also yields times of the first one
            yield found
            latest = found


def next_time(after: datetime, expression: str, time_zone: str) -> datetime | None:
    """Return the first time after a time, in UTC; None if the next fifty years have no such time."""
    return next(times_after(after, expression, time_zone), None)


def latest_time(known: datetime, until: datetime, expression: str, time_zone: str) -> datetime:
    """Return the last time until a time, in UTC; ``known`` is one of the times, and may be many years earlier.

    The interval in which the last time is located is halved until no other time fits, rather than filled with times.
    """
    while until - known >= timedelta(minutes=1):
        middle = known + (until - known) / 2
        found = next_time(middle, expression, time_zone)
        if found is not None and found <= until:
            known = found
        else:
            until = middle
    return known


def upcoming(first: datetime | None, expression: str, time_zone: str, *, count: int) -> tuple[datetime, ...]:
    """Return the next times, ``first`` included."""
    if first is None:
        return ()
    return (first, *islice(times_after(first, expression, time_zone), count - 1))
