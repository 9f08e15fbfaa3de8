"""The times of cron expressions: time zones, and the nights on which clocks change."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from itertools import islice

import pytest

from generator.runner.server.problems import ProblemError
from generator.runner.server.schedules.times import check_expression, check_time_zone
from generator.shared.cron_times import latest_time, next_time, times_after, upcoming

BERLIN = "Europe/Berlin"


def times(expression: str, zone: str, start: str, count: int = 3) -> list[str]:
    """The first times after a UTC time, in UTC, as ``MM-DD HH:MM``."""
    found = islice(times_after(datetime.fromisoformat(start + "+00:00"), check_expression(expression), zone), count)
    return [f"{time:%m-%d %H:%M}" for time in found]


def test_a_time_is_that_of_its_zone() -> None:
    assert times("30 6 * * 1-5", BERLIN, "2026-07-03T12:00", 2) == ["07-06 04:30", "07-07 04:30"]
    assert times("30 6 * * *", "Asia/Kolkata", "2026-07-03T12:00", 1) == ["07-04 01:00"]


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        pytest.param("30 2 * * *", ["03-28 01:30", "03-29 01:00", "03-30 00:30"], id="after the gap"),
        pytest.param("0 2,3 * * *", ["03-28 01:00", "03-28 02:00", "03-29 01:00", "03-30 00:00"], id="once for both"),
    ],
)
def test_a_time_that_does_not_exist_runs_after_the_gap(expression: str, expected: list[str]) -> None:
    assert times(expression, BERLIN, "2026-03-28T00:00", len(expected)) == expected


def test_every_hour_has_a_run_where_an_hour_is_missing() -> None:
    assert times("30 * * * *", BERLIN, "2026-03-29T00:00") == ["03-29 00:30", "03-29 01:30", "03-29 02:30"]


def test_a_time_that_comes_twice_runs_once() -> None:
    assert times("30 2 * * *", BERLIN, "2026-10-24T12:00") == ["10-25 00:30", "10-26 01:30", "10-27 01:30"]


def test_every_hour_has_a_run_where_an_hour_comes_twice() -> None:
    assert times("0 * * * *", BERLIN, "2026-10-24T23:30") == ["10-25 00:00", "10-25 01:00", "10-25 02:00"]


def test_no_time_is_in_the_past_within_the_hour_that_comes_twice() -> None:
    assert times("30 2 * * *", BERLIN, "2026-10-25T01:15", 1) == ["10-26 01:30"]


@pytest.mark.parametrize("expression", ["30 2 * * *", "*/20 * * * *", "0 2,3 * * *", "15 */2 * * *", "0 0 29 2 *"])
@pytest.mark.parametrize("zone", [BERLIN, "America/New_York", "Australia/Lord_Howe", "Africa/Casablanca", "UTC"])
def test_each_time_follows_from_the_one_before(expression: str, zone: str) -> None:
    start = datetime(2026, 1, 1, tzinfo=timezone.utc)
    together = [time for time in islice(times_after(start, expression, zone), 400) if time.year < 2028]
    time: datetime | None = start
    for expected in together:
        assert time is not None
        time = next_time(time, expression, zone)
        assert time == expected


@pytest.mark.parametrize(("nickname", "expression"), [("@daily", "0 0 * * *"), (" @Hourly", "0 * * * *")])
def test_nicknames_are_expressions(nickname: str, expression: str) -> None:
    assert check_expression(nickname) == expression


@pytest.mark.parametrize(
    "expression", ["", "* * * *", "* * * * * *", "60 * * * *", "0 0 31 2 *", "@reboot", "0 0 * * FUN", "1," * 200]
)
def test_what_is_no_expression_is_refused(expression: str) -> None:
    with pytest.raises(ProblemError) as caught:
        check_expression(expression)

    assert caught.value.status == 400
    assert "cron: " in caught.value.detail


@pytest.mark.parametrize(
    "name",
    [
        "", "Europe", "../etc", "/etc/localtime", "Europe/berlin", "x" * 9999, "a\0", "tzdata.zi",
        "localtime", "right/UTC", "posix/UTC", "posixrules",  # systems have them, the package tzdata does not
    ],
)  # fmt: skip
def test_what_is_no_time_zone_is_refused(name: str) -> None:
    with pytest.raises(ProblemError, match="time_zone"):
        check_time_zone(name)


@pytest.mark.parametrize("expression", ["30 2 * * *", "*/20 * * * *", "0 2,3 * * *", "15 */2 * * *", "0 0 29 2 *"])
@pytest.mark.parametrize("zone", [BERLIN, "Australia/Lord_Howe", "UTC"])
def test_the_last_time_until_a_time_is_found_without_those_between(expression: str, zone: str) -> None:
    times = list(islice(times_after(datetime(2020, 1, 1, tzinfo=timezone.utc), expression, zone), 9))
    start = next(times_after(datetime(2026, 10, 20, tzinfo=timezone.utc), expression, zone))
    following = list(islice(times_after(start, expression, zone), 500))
    for time, after in zip(following[::50], following[1::50], strict=False):
        for known in (times[0], start):
            assert latest_time(known, time, expression, zone) == time
            assert latest_time(known, after - timedelta(seconds=1), expression, zone) == time


def test_the_next_times_are_shown() -> None:
    first = datetime(2026, 5, 1, tzinfo=timezone.utc)

    assert upcoming(first, "0 0 * * *", "UTC", count=3) == tuple(first + timedelta(days=day) for day in range(3))
    assert upcoming(None, "0 0 * * *", "UTC", count=3) == ()
