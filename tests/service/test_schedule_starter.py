"""The thread that starts the pipelines of schedules, where one of them cannot start."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import sqlalchemy as sa
from waiting import wait_until

from generator.service.http_errors import HttpError, queue_full
from generator.service.project.project import GitUnavailableError
from generator.service.schedules import creation as creation_module
from generator.service.schedules import starter as starter_module
from generator.service.schedules.creation import create_schedule
from generator.service.schedules.starter import ScheduleStarter
from generator.service.store.database import Database, sqlite_url
from generator.service.store.hidden_values import HiddenValues
from generator.service.store.schedule_tables import schedules as rows
from generator.service.store.schedules import Schedules
from generator.service.store.tokens import Identity
from generator.shared.clock_watch import ClockWatch

_HOURLY = {"description": "hourly", "ref": "main", "cron": "0 * * * *", "cron_timezone": "UTC", "active": True}


@pytest.fixture
def schedules(tmp_path: Path) -> Iterator[Schedules]:
    database = Database(sqlite_url(tmp_path / "rows.sqlite3"))
    made = Schedules(database, HiddenValues(tmp_path / "values"))
    for _ in range(2):
        assert made.create([], **_HOURLY, user="ada", user_id=1)
    with database.transaction() as connection:
        connection.execute(sa.update(rows).values(next_run_at=time.time() - 60 + rows.c.id))
    yield made
    database.close()


def test_a_schedule_whose_time_zone_is_missing_keeps_no_other_waiting(
    schedules: Schedules, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another machine, or a newer image, may not have it."""
    later = schedules.create([], **_HOURLY, user="ada", user_id=1)
    with schedules._database.transaction() as connection:
        connection.execute(sa.update(rows).where(rows.c.id != 2).values(cron_timezone="Mars/Olympus"))
        connection.execute(sa.update(rows).where(rows.c.id == later).values(next_run_at=time.time() + 3600))
    started: list[int] = []

    def start(_: object, schedule: Any) -> None:
        schedules.note_problem(schedule, "nothing to run")
        started.append(schedule["id"])

    monkeypatch.setattr(starter_module, "start_due", start)
    context: Any = SimpleNamespace(schedules=schedules, pipelines=SimpleNamespace(listeners=[]))
    starter = ScheduleStarter(context, clock=ClockWatch())
    starter.start()
    try:
        wait_until(lambda: started == [1, 2], seconds=20, message="both schedules are started, the first one once")
    finally:
        starter.stop()

    first, second = schedules.get(1), schedules.get(2)
    assert first is not None
    assert second is not None
    assert first["next_run_at"] is None
    assert first["problem"].startswith("nothing to run; no next time: 0 * * * * Mars/Olympus: ")
    assert (second["next_run_at"] > time.time(), second["problem"]) == (True, "nothing to run")


def test_a_schedule_that_fails_for_an_unknown_reason_keeps_no_other_waiting(
    schedules: Schedules, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    started: list[int] = []

    def start(_: object, schedule: Any) -> None:
        if schedule["id"] == 1:
            raise RuntimeError("of ours")
        started.append(schedule["id"])
        schedules.note_problem(schedule, "")

    monkeypatch.setattr(starter_module, "start_due", start)
    context: Any = SimpleNamespace(schedules=schedules, pipelines=SimpleNamespace(listeners=[]))
    starter = ScheduleStarter(context, clock=ClockWatch())
    starter.start()
    try:
        wait_until(lambda: started == [2], seconds=20, message="the second schedule is started")
    finally:
        starter.stop()

    failed = schedules.get(1)
    assert failed is not None
    assert failed["problem"] == "an error of the service; its log has more"
    assert failed["next_run_at"] > time.time()
    assert "RuntimeError: of ours" in capsys.readouterr().err


@pytest.mark.parametrize(
    "refusal",
    [
        queue_full("5000 pipelines of this token wait or run"),
        HttpError(507, {"message": {"base": ["the storage quota is reached"]}}),
        GitUnavailableError("git show: timed out"),
    ],
    ids=["queue", "quota", "git"],
)
def test_a_schedule_that_cannot_start_now_is_late_and_keeps_no_other_waiting(
    refusal: Exception, schedules: Schedules, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its time is not lost, and it is tried again in seconds, however often pipelines change."""
    tried: list[int] = []
    is_full = threading.Event()
    is_full.set()

    def start(**given: Any) -> int:
        tried.append(given["schedule"])
        if given["schedule"] == 1 and is_full.is_set():
            raise refusal
        with schedules._database.transaction() as connection:
            given["within"](connection, 7)
        return 7

    monkeypatch.setattr(starter_module, "_owner", lambda *_: None)
    monkeypatch.setattr(starter_module, "_BREAK", 0.3)
    before = schedules.get(1)
    context: Any = SimpleNamespace(schedules=schedules, pipelines=SimpleNamespace(listeners=[]), start_pipeline=start)
    starter = ScheduleStarter(context, clock=ClockWatch())
    starter.start()
    try:
        wait_until(lambda: 2 in tried, seconds=20, message="the second schedule is started")
        late = schedules.get(1)
        for _ in range(10):
            schedules.on_change()
            time.sleep(0.01)
        assert len(tried) == 2
        is_full.clear()
        schedules.on_change()
        wait_until(lambda: tried == [1, 2, 1], seconds=20, message="the first one is tried again")
        wait_until(lambda: schedules.due() == [], message="it has its next time")
    finally:
        starter.stop()

    started = schedules.get(1)
    assert before is not None
    assert late is not None
    assert started is not None
    assert late["next_run_at"] == before["next_run_at"]
    assert late["problem"].startswith("late: ")
    assert (started["last_pipeline"], started["problem"]) == (7, None)


def test_a_token_has_a_share_of_the_schedules(schedules: Schedules, monkeypatch: pytest.MonkeyPatch) -> None:
    """The fixture's two are those of the first token; a token that may delete those of others has no share."""
    monkeypatch.setattr(creation_module, "SHARE", 2)
    context: Any = SimpleNamespace(schedules=schedules)

    def create(token: int, role: str) -> int | None:
        user = Identity(id=token, name="ada", scopes=frozenset({"api"}), role=role)
        return create_schedule(context, [], user=user, target=None, **_HOURLY)

    assert [create(1, "run"), create(2, "run"), create(1, "admin")] == [None, 3, 4]
