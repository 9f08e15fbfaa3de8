"""The clock of the machine of ``packmill serve`` is set forward or back: nothing is lost, late or negative."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import sqlalchemy as sa
from waiting import wait_until

from generator.network.address_policy import any_hook
from generator.service.hooks.dispatcher import Dispatcher
from generator.service.retention.keeper import Keeper
from generator.service.retention.policy import Policy
from generator.service.schedules.starter import ScheduleStarter
from generator.service.store import states, tokens
from generator.service.store.database import Database, pipelines, rows, sqlite_url
from generator.service.store.hidden_values import HiddenValues
from generator.service.store.hooks import LONGEST_PAUSE, Hooks
from generator.service.store.job_folders import DataFolder
from generator.service.store.pipelines import Pipelines
from generator.service.store.run_links import create_link, find_link, remove_expired_links
from generator.service.store.run_tables import links
from generator.service.store.schedules import Schedules
from generator.shared.clock_watch import ClockWatch
from generator.shared.rate_limits import RateLimit

_NOON = 1780315200.0  # 2026-06-01 12:00 UTC
_HOUR, _DAY, _YEAR = 3600.0, 86400.0, 365 * 86400.0
_HOURLY = {"description": "d", "ref": "main", "cron": "0 * * * *", "cron_timezone": "UTC", "active": True}
_Set = Callable[[float], None]


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> _Set:
    """Sets the clock that the service reads; it stands still."""

    def set_to(seconds: float) -> None:
        monkeypatch.setattr(time, "time", lambda: seconds)

    set_to(_NOON)
    return set_to


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    opened = Database(sqlite_url(tmp_path / "rows.sqlite3"))
    yield opened
    opened.close()


@pytest.fixture
def schedules(database: Database, tmp_path: Path) -> Schedules:
    return Schedules(database, HiddenValues(tmp_path / "values"))


def _next(schedules: Schedules, number: int) -> float:
    found = schedules.get(number)
    assert found
    return float(found["next_run_at"])


def _made(schedules: Schedules) -> int:
    number = schedules.create([], **_HOURLY, user="ada", user_id=1)
    assert number
    return number


@pytest.mark.parametrize("ahead", [2 * _HOUR, _YEAR])
def test_a_schedule_of_a_clock_that_was_ahead_is_not_put_off(schedules: Schedules, clock: _Set, ahead: float) -> None:
    clock(_NOON + ahead)
    number = _made(schedules)
    clock(_NOON + 60)
    schedules.bring_forward()

    assert _next(schedules, number) == _NOON + _HOUR


def test_a_small_step_back_repeats_no_time(schedules: Schedules, clock: _Set) -> None:
    clock(_NOON + 1)
    number = _made(schedules)
    clock(_NOON - 20)
    schedules.bring_forward()

    assert _next(schedules, number) == _NOON + _HOUR


def test_a_running_service_notices_that_the_clock_is_set_back(schedules: Schedules, clock: _Set) -> None:
    clock(_NOON + _YEAR)
    number = _made(schedules)
    starter = _starter(schedules, ClockWatch())
    checks, bring_forward = [], schedules.bring_forward
    schedules.bring_forward = lambda: checks.append(bring_forward())  # type: ignore[method-assign, func-returns-value]
    starter.start()
    try:
        wait_until(lambda: checks, message="the check at the start")
        clock(_NOON + 60)
        schedules.on_change()
        wait_until(
            lambda: _next(schedules, number) == _NOON + _HOUR, message="the next time is that of the present clock"
        )
    finally:
        starter.stop()


def _starter(schedules: Schedules, clock: ClockWatch) -> ScheduleStarter:
    context = SimpleNamespace(schedules=schedules, pipelines=SimpleNamespace(listeners=[]))
    return ScheduleStarter(context, clock=clock)  # type: ignore[arg-type]


def test_a_service_that_starts_while_the_clock_is_behind_starts_no_schedule_early(
    schedules: Schedules, clock: _Set, tmp_path: Path
) -> None:
    """As after a start of a machine without a battery, until a time server answers."""
    number, steady = _made(schedules), 0.0
    (tmp_path / "clock").write_text(str(_NOON))
    clock(_NOON - 3 * _YEAR)
    starter = _starter(schedules, ClockWatch(steady=lambda: steady, memory=tmp_path / "clock"))
    starter._check_times()
    assert _next(schedules, number) == _NOON + _HOUR
    clock(_NOON + 60)
    starter._check_times()
    assert _next(schedules, number) == _NOON + _HOUR

    clock(_NOON - _DAY)
    starter = _starter(schedules, ClockWatch(steady=lambda: steady, memory=tmp_path / "clock"))
    steady += _HOUR  # nobody has set it: it was ahead before
    starter._check_times()
    assert _next(schedules, number) == _NOON - _DAY + _HOUR


class Kept:
    """Pipelines that ended a day before noon, and their keeper."""

    def __init__(self, folder: Path, *, last_seen: float | None = None, **policy: Any) -> None:
        folder.mkdir()
        self.data = DataFolder(folder)
        if last_seen is not None:
            self.data.clock.write_text(str(last_seen))
        self.rows = Pipelines(Database(sqlite_url(self.data.database)), self.data.hidden)
        row = {"id": 1, "sha": "a", "ref": "main", "tag": False, "source": "api", "status": "success", "user": "ada"}
        row |= {"variables": [], "created_at": 0.0, "updated_at": 0.0, "finished_at": _NOON - _DAY}
        with self.rows.database.transaction() as connection:
            connection.execute(sa.insert(pipelines).values(row))
        self.steady = 0.0
        self.keeper = Keeper(
            self.rows,
            self.data,
            Policy(**policy),
            hold=lambda: nullcontext(True),
            prune_images=lambda _: None,
            clock=ClockWatch(steady=lambda: self.steady, memory=self.data.clock),
        )


def test_a_clock_that_is_set_forward_removes_nothing_for_an_hour(tmp_path: Path, clock: _Set) -> None:
    kept = Kept(tmp_path / "data", older_than=30 * _DAY, schedule="0 3 * * *")
    clock(_NOON + _YEAR)
    for _ in range(3):
        kept.keeper._prune_if_due()
    assert kept.rows.get(1)

    kept.steady += _HOUR
    kept.keeper._prune_if_due()
    assert kept.rows.get(1) is None
    kept.rows.database.close()


def test_a_clock_that_is_set_forward_removes_no_uploads_over_the_quota_for_an_hour(tmp_path: Path, clock: _Set) -> None:
    clock(time.time())
    kept = Kept(tmp_path / "data", quota=1)
    path = kept.data.uploads.path("tables", "1", "new.csv")
    with kept.data.uploads.writing(path) as file:
        file.write(b"n\n")
    clock(time.time() + _YEAR)
    kept.keeper.enforce()
    assert path.exists()

    kept.steady += _HOUR
    kept.keeper.enforce()
    assert not path.exists()
    kept.rows.database.close()


def test_a_clock_that_is_set_back_is_noticed_over_the_quota_too(tmp_path: Path, clock: _Set) -> None:
    clock(_NOON + _YEAR)
    kept = Kept(tmp_path / "data", older_than=30 * _DAY, schedule="0 3 * * *", quota=1)
    clock(_NOON)
    kept.keeper.enforce()
    kept.keeper._prune_if_due()

    assert kept.keeper.due == _NOON + 15 * _HOUR
    kept.rows.database.close()


@pytest.mark.parametrize(("pause", "is_trusted"), [(_YEAR, False), (_HOUR, True)], ids=["a year", "an hour"])
def test_a_service_that_starts_while_the_clock_is_ahead_removes_nothing_for_an_hour(
    pause: float, is_trusted: bool, tmp_path: Path, clock: _Set
) -> None:
    start = _NOON + 40 * _DAY
    clock(start)
    kept = Kept(tmp_path / "data", older_than=30 * _DAY, schedule="* * * * *", last_seen=start - pause)
    removed = []
    for seconds in (0, 60, _HOUR):
        clock(start + seconds)
        kept.steady = float(seconds)
        kept.keeper._prune_if_due()
        removed.append(kept.rows.get(1) is None)

    assert removed == [is_trusted, is_trusted, True]
    kept.rows.database.close()


def test_a_prune_of_a_clock_that_was_ahead_is_not_put_off(tmp_path: Path, clock: _Set) -> None:
    clock(_NOON + _YEAR)
    kept = Kept(tmp_path / "data", older_than=30 * _DAY, schedule="0 3 * * *")
    clock(_NOON)
    kept.keeper._prune_if_due()

    assert kept.keeper.due == _NOON + 15 * _HOUR
    kept.rows.database.close()


@pytest.mark.parametrize(("last", "is_due"), [(2.9, True), (3.1, False), (12.1, False)])
def test_a_prune_while_the_service_is_stopped_is_not_lost(
    tmp_path: Path, clock: _Set, last: float, is_due: bool
) -> None:
    """Such as for a backup of every night; the hour is that of the last time that it ran."""
    kept = Kept(tmp_path / "data", older_than=_HOUR, schedule="0 3 * * *", last_seen=_NOON + (last - 12) * _HOUR)
    for hours in (0, 1):  # until the clock is trusted
        kept.steady = hours * _HOUR
        clock(_NOON + kept.steady)
        kept.keeper._prune_if_due()

    assert (kept.rows.get(1) is None) == is_due
    assert kept.keeper.due == _NOON + 15 * _HOUR
    kept.rows.database.close()


def test_the_quota_holds_after_the_clock_is_set_back(tmp_path: Path, clock: _Set) -> None:
    kept = Kept(tmp_path / "data", quota=10_000)
    kept.keeper.enforce()
    clock(_NOON - _DAY)
    kept.keeper.note_change()
    kept.keeper._measured -= 10  # ten seconds later

    assert kept.keeper._is_stale()
    kept.rows.database.close()


def test_a_delivery_waits_for_no_clock_that_was_ahead(database: Database, tmp_path: Path, clock: _Set) -> None:
    hooks = Hooks(database, HiddenValues(tmp_path / "hooks"))
    hook = hooks.create(url="http://example.org/", token="", events=["pipeline"], verify=True)
    assert hook
    number = hooks.add_delivery(hook, "pipeline", {})
    hooks.update_delivery(number, {"attempts": 1, "next_attempt_at": time.time() + LONGEST_PAUSE})
    assert hooks.due() == []
    clock(_NOON - _DAY)

    assert hooks.due() == [(hook, number)]


def test_a_clock_that_is_set_forward_removes_no_deliveries_and_notifications_for_an_hour(
    database: Database, tmp_path: Path, clock: _Set
) -> None:
    hooks = Hooks(database, HiddenValues(tmp_path / "hooks"))
    row = {"id": 1, "sha": "a", "ref": "main", "tag": False, "source": "api", "status": "success", "user": "ada"}
    row |= {"variables": [], "created_at": 0.0, "updated_at": 0.0, "finished_at": _NOON}
    with database.transaction() as connection:
        connection.execute(sa.insert(pipelines).values(row))
        hooks.add_notification(connection, url="http://example.org/", token="", pipeline=1)
    hook = hooks.notifications(pipeline=1)[0]["id"]
    number = hooks.add_delivery(hook, "run", {}, pending=False)
    steady = [0.0]
    dispatcher = Dispatcher(hooks, None, any_hook, clock=ClockWatch(steady=lambda: steady[0]))  # type: ignore[arg-type]
    clock(_NOON + _YEAR)
    dispatcher._clean_if_due()
    assert hooks.delivery(number)
    assert hooks.get(hook)

    steady[0] += _HOUR
    dispatcher._clean_if_due()
    assert hooks.delivery(number) is None
    assert hooks.get(hook) is None


def test_a_link_and_a_session_expire_by_the_clock_and_are_valid_again_when_it_is_set_back(
    database: Database, clock: _Set
) -> None:
    tokens.create(database, name="ada", scopes=["api"])
    ada = tokens.find_by_number(database, 1)
    assert ada
    link = create_link(database, 1, user="ada", expires_in=_DAY)
    session = tokens.begin_session(database, ada, expires_at=_NOON + _DAY)
    clock(_NOON + _YEAR)
    create_link(database, 2, user="ada", expires_in=_DAY)
    tokens.begin_session(database, ada, expires_at=_NOON + 2 * _YEAR)
    assert find_link(database, link) is None
    assert tokens.find_by_session(database, session) is None

    clock(_NOON + _HOUR)
    assert find_link(database, link) == 1
    assert tokens.find_by_session(database, session) == ada


def test_expired_links_are_removed(database: Database, clock: _Set) -> None:
    for days in (1, 3):
        create_link(database, days, user="ada", expires_in=days * _DAY)
    clock(_NOON + 2 * _DAY)
    remove_expired_links(database)

    with database.connection() as connection:
        assert [row["pipeline_id"] for row in rows(connection, sa.select(links))] == [3]


def test_no_duration_is_negative() -> None:
    job = {"started_at": _NOON, "finished_at": _NOON - _DAY, "retried": False, "queued_at": _NOON + _DAY}

    assert states.seconds_between(job["started_at"], job["finished_at"]) == 0
    assert states.seconds_between(job["queued_at"], job["started_at"]) == 0
    assert states.active_seconds([job]) == 0


def test_tokens_expire_by_the_clock_and_limits_count_real_time(database: Database, clock: _Set) -> None:
    token = tokens.create(database, name="ada", scopes=["api"], expires_in=_DAY)
    limit = RateLimit(per_minute=2)
    assert [limit.take("ada") > 0 for _ in range(3)] == [False, False, True]

    for moment, is_valid in ((_NOON + 2 * _DAY, False), (_NOON - _YEAR, True)):
        clock(moment)
        assert (tokens.find(database, token) is not None) is is_valid
        assert limit.take("ada") > 0
