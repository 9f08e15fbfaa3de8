"""The specification of a store of schedules, held against SQLite and PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from postgresql import needs_postgresql

from generator.runner.server.runs.store import StoreUnavailableError
from generator.runner.server.schedules.model import Schedule, new_schedule_id
from generator.runner.server.schedules.store import ScheduleMissingError, ScheduleStore
from generator.runner.server.schedules.stores import open_schedule_store

NOON = datetime(2026, 5, 4, 12, tzinfo=timezone.utc)


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=needs_postgresql)])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[ScheduleStore]:
    database = request.getfixturevalue("database") if request.param == "postgresql" else None
    opened = open_schedule_store(tmp_path, database)
    yield opened
    opened.close()


def schedule(**fields: Any) -> Schedule:
    return Schedule(**{"id": new_schedule_id(), "process": "a.ipynb", "cron": "0 * * * *", "created": NOON, **fields})


def test_a_schedule_is_kept_as_it_is(store: ScheduleStore) -> None:
    full = schedule(
        time_zone="Europe/Berlin", title="'%s' ☃", owner="ada", options={"way": "direct"}, due=NOON, paused=True
    )
    later = schedule(created=NOON + timedelta(hours=1))
    for one in (later, full):
        store.add(one)

    assert store.get(full.id) == full
    assert store.list() == (full, later)


def test_a_schedule_is_replaced_and_removed(store: ScheduleStore) -> None:
    one, other = schedule(owner="ada"), schedule()
    store.add(one)
    store.add(other)
    changed = replace(one, cron="5 * * * *", paused=True, problem="why", owner="bob", created=NOON - timedelta(days=1))
    assert store.replace(changed, before=one)

    assert store.get(one.id) == replace(changed, owner="ada", created=NOON)
    assert not store.replace(one, before=one)
    assert store.get(one.id).paused
    store.remove(one.id)
    assert store.list() == (other,)
    for call in (store.get, store.remove):
        with pytest.raises(ScheduleMissingError):
            call(one.id)
    with pytest.raises(ScheduleMissingError):
        store.replace(one, before=one)


def test_due_schedules_come_in_their_order(store: ScheduleStore) -> None:
    assert store.first_due() is None
    late, early, never = schedule(due=NOON), schedule(due=NOON - timedelta(hours=1)), schedule()
    for one in (late, early, never, schedule(due=NOON + timedelta(seconds=1))):
        store.add(one)

    assert store.first_due() == early.due
    assert store.due(NOON) == (early, late)


def test_the_first_server_to_advance_a_schedule_sets_its_time(store: ScheduleStore) -> None:
    read_by_both = schedule(due=NOON)
    store.add(read_by_both)
    store.advance(read_by_both, due=NOON + timedelta(hours=1), problem="why")
    store.advance(read_by_both, due=NOON + timedelta(hours=9), problem=None)
    advanced = store.get(read_by_both.id)

    assert (advanced.due, advanced.problem) == (NOON + timedelta(hours=1), "why")
    store.advance(advanced, due=None, problem=None)
    assert store.first_due() is None
    store.advance(store.get(read_by_both.id), due=NOON, problem=None)
    assert store.first_due() == NOON


def test_a_file_that_cannot_be_written_is_a_database_that_does_not_answer(tmp_path: Path) -> None:
    """As on a full disk: the scheduler tries again, and a request is answered with 503."""
    store = open_schedule_store(tmp_path, None)
    (tmp_path / "runs.sqlite").unlink()
    (tmp_path / "runs.sqlite").mkdir()

    for call in (lambda: store.add(schedule()), store.list, store.first_due):
        with pytest.raises(StoreUnavailableError):
            call()
