"""The thread that starts the pipelines of schedules, where one of them cannot start."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import sqlalchemy as sa
from waiting import wait_until

from generator.service.schedules import starter as starter_module
from generator.service.schedules.starter import ScheduleStarter
from generator.service.store.database import Database, sqlite_url
from generator.service.store.hidden_values import HiddenValues
from generator.service.store.schedule_tables import schedules as rows
from generator.service.store.schedules import Schedules

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
    starter = ScheduleStarter(context)
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
