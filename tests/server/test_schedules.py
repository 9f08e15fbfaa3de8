"""Schedules: created over HTTP, run by a real server, and, with a clock of the test's own, missed and shared."""

from __future__ import annotations

import asyncio
import errno
import json
import os
import sqlite3
import stat
import time
from asyncio import run
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from notebook_server import NotebookServer, write_notebooks
from waiting import wait_until

from generator.runner.server import catalogue as catalogue_module
from generator.runner.server import text_notebooks as text_notebooks_module
from generator.runner.server.access import Access, Identity
from generator.runner.server.catalogue import Catalogue
from generator.runner.server.context import Context, Limits
from generator.runner.server.events import RunEvents
from generator.runner.server.operation.retention import Retention
from generator.runner.server.problems import ProblemError
from generator.runner.server.runs import sqlite as sqlite_runs
from generator.runner.server.runs.folder import RunFolder, run_folder
from generator.runner.server.runs.model import Outcome, Run, RunState
from generator.runner.server.runs.sqlite import SqliteRunStore
from generator.runner.server.runs.store import RunFilter, RunMissingError, StoreUnavailableError
from generator.runner.server.schedules import editing
from generator.runner.server.schedules import scheduler as scheduler_module
from generator.runner.server.schedules.editing import (
    ScheduleChange,
    change_schedule,
    create_schedule,
    delete_schedule,
    list_schedules,
    show_schedule,
)
from generator.runner.server.schedules.model import Schedule
from generator.runner.server.schedules.scheduler import Scheduler
from generator.runner.server.schedules.sqlite import SqliteScheduleStore
from generator.runner.server.schedules.store import ScheduleMissingError
from generator.runner.server.schedules.values import read_values, remove_values, write_values
from generator.runner.server.storage import NotebookStorage
from generator.runner.server.tokens.role import Role
from generator.runner.server.tokens.store import TokenStore
from generator.runner.server.tokens.token import digest
from generator.runner.template_store import TemplateStore
from generator.shared.clock_watch import ClockWatch

NOON = datetime(2026, 5, 4, 12, tzinfo=timezone.utc)
EVERY_HOUR = {"notebook": "double.ipynb", "cron": "0 * * * *", "parameters": {"x": 4}}


def make_due(data: Path, schedule_id: str, seconds_ago: int) -> None:
    """Move the next time of a schedule into the past."""
    with closing(sqlite3.connect(data / "runs.sqlite", timeout=30)) as database, database:
        database.execute("UPDATE schedule SET due = ? WHERE id = ?", (int(time.time()) - seconds_ago, schedule_id))


def ended_runs(server: NotebookServer, schedule_id: str) -> Any:
    runs = server.get(f"/runs?schedule={schedule_id}")["runs"]
    return runs if runs and all(run["state"] not in ("queued", "running") for run in runs) else None


def test_a_schedule_starts_its_runs(server: NotebookServer) -> None:
    answer = server.ask("POST", "/schedules", json={**EVERY_HOUR, "time_zone": "Europe/Berlin", "title": "hourly"})
    assert answer.status_code == 201, answer.text
    schedule = answer.json()
    address = answer.headers["Location"]
    assert address == f"/schedules/{schedule['id']}"
    assert [time[13:19] for time in schedule["next"]] == [":00:00"] * 5
    assert schedule["next"][0][19:] in ("+01:00", "+02:00")

    make_due(server.data, schedule["id"], 0)
    (ended,) = wait_until(lambda: ended_runs(server, schedule["id"]), message="the scheduled run ends")

    assert (ended["state"], ended["protocol"], ended["schedule"], ended["note"]) == (
        "succeeded",
        "schedule",
        schedule["id"],
        None,
    )
    assert server.get(f"/runs/{ended['id']}/result")["scraps"] == {"y": 8}
    shown = server.get(address)
    assert [one["id"] for one in shown["runs"]] == [ended["id"]]
    assert shown["next"][0] > datetime.now(timezone.utc).isoformat()
    assert shown in server.get("/schedules")["schedules"]

    assert server.ask("DELETE", address).status_code == 204
    assert server.ask("GET", address).status_code == 404
    assert server.get(f"/runs/{ended['id']}")["state"] == "succeeded"
    assert list((server.data / "schedules").iterdir()) == []


def test_times_missed_while_no_server_ran_are_caught_up_by_one_run(tmp_path: Path) -> None:
    write_notebooks(tmp_path / "root")
    server = NotebookServer(tmp_path / "root", tmp_path / "data", "--workers", "1").start()
    schedule = server.ask("POST", "/schedules", json=EVERY_HOUR).json()["id"]
    server.stop()
    make_due(server.data, schedule, 5 * 3600)
    server.start()
    try:
        (ended,) = wait_until(lambda: ended_runs(server, schedule), message="the scheduled run ends")
        following = server.get(f"/schedules/{schedule}")["next"][0]
    finally:
        server.stop()

    assert "the one run for 6 missed times, from " in ended["note"]
    assert following > datetime.now(timezone.utc).isoformat()


@pytest.mark.parametrize(
    ("body", "what"),
    [
        ({"cron": "0 * * * *"}, "notebook: Field required"),
        ({"notebook": "double.ipynb"}, "cron: Field required"),
        ({**EVERY_HOUR, "cron": "* * * * * *"}, "does not have five fields"),
        ({**EVERY_HOUR, "time_zone": "Berlin"}, "such as 'Europe/Berlin'"),
        ({**EVERY_HOUR, "parameters": {"x": "four"}}, "x is 'four', but an int is needed"),
        ({**EVERY_HOUR, "crn": 1}, "crn: Extra inputs"),
        ({**EVERY_HOUR, "title": "a\nb"}, "printable"),
        ([], "not a JSON object"),
    ],
)
def test_a_schedule_that_could_not_run_is_refused(server: NotebookServer, body: Any, what: str) -> None:
    answer = server.ask("POST", "/schedules", json=body)

    assert answer.status_code == 400
    assert what in answer.text


def test_what_is_missing_is_404(server: NotebookServer) -> None:
    assert server.ask("POST", "/schedules", json={**EVERY_HOUR, "notebook": "missing.ipynb"}).status_code == 404
    assert [server.ask(verb, "/schedules/0", json={}).status_code for verb in ("GET", "PATCH", "DELETE")] == [404] * 3


def test_a_schedule_is_paused_changed_and_resumed(server: NotebookServer) -> None:
    address = server.ask("POST", "/schedules", json=EVERY_HOUR).headers["Location"]

    paused = server.ask("PATCH", address, json={"paused": True}).json()
    assert (paused["paused"], paused["next"]) == (True, [])
    resumed = server.ask("PATCH", address, json={"paused": False, "cron": "@daily", "parameters": {"x": 5}}).json()
    assert (resumed["paused"], resumed["cron"]) == (False, "0 0 * * *")
    assert resumed["next"][0].endswith("T00:00:00+00:00")
    assert server.ask("PATCH", address, json={"cron": "daily"}).status_code == 400
    assert server.get(address) == resumed
    server.ask("DELETE", address)


class Clock:
    """A time that the test moves."""

    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> datetime:
        return self.now

    def advance(self, **duration: float) -> None:
        self.now += timedelta(**duration)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def context(tmp_path: Path) -> Iterator[Context]:
    """A server's parts without its workers: runs stay queued until the test ends them."""
    write_notebooks(tmp_path / "root")
    (tmp_path / "data").mkdir()
    store = SqliteRunStore(tmp_path / "data")
    yield Context(
        catalogue=Catalogue(tmp_path / "root"),
        store=store,
        schedules=SqliteScheduleStore(tmp_path / "data"),
        events=RunEvents(store.get),
        access=Access(TokenStore(tmp_path / "data"), loopback=True),
        data=tmp_path / "data",
        storage=NotebookStorage(root=tmp_path / "data" / "notebooks"),
        templates=TemplateStore(tmp_path / "data" / "templates.sqlite"),
        limits=Limits(),
    )
    store.close()


def added(context: Context, **settings: Any) -> Schedule:
    """A schedule of every hour, due at noon."""
    change = ScheduleChange(**{**EVERY_HOUR, **settings})
    schedule = run(create_schedule(context, change, Identity("", "admin"))).schedule
    context.schedules.advance(schedule, due=NOON, problem=None)
    return context.schedules.get(schedule.id)


def values_file(context: Context, schedule: Schedule) -> Path:
    return context.data / "schedules" / f"{schedule.id}.{schedule.values}.json"


def failing_with(number: int) -> Callable[..., Any]:
    def fail(*_: object, **__: object) -> Any:
        raise OSError(number, os.strerror(number))

    return fail


def runs_of(context: Context, schedule: Schedule) -> tuple[Run, ...]:
    return context.store.list(RunFilter(schedule=schedule.id))


def a_run(context: Context, clock: Clock) -> str:
    """A queued run; its id."""
    schedule = added(context)
    run(Scheduler(context, now=clock).start_due_runs())
    return runs_of(context, schedule)[0].id


def finish_all(context: Context) -> None:
    while (run := context.store.claim("test")) is not None:
        context.store.finish(run.id, Outcome(state=RunState.SUCCEEDED))


def test_several_servers_start_one_run(context: Context, clock: Clock) -> None:
    schedule = added(context)
    first, second = Scheduler(context, now=clock), Scheduler(context, now=clock)
    seen = context.schedules.due(clock())

    run(first.start_due_runs())
    finish_all(context)
    for one in seen:  # the second server read the row before the first one changed it
        run(second._start(one, clock()))
    run(second.start_due_runs())

    assert len(runs_of(context, schedule)) == 1
    assert context.schedules.get(schedule.id).due == NOON + timedelta(hours=1)


def test_a_server_that_dies_before_it_sets_the_next_time_causes_no_second_run(
    context: Context, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    schedule = added(context)
    with monkeypatch.context() as patch:
        patch.setattr(SqliteScheduleStore, "advance", _die)
        with pytest.raises(KeyboardInterrupt):
            run(Scheduler(context, now=clock).start_due_runs())
    finish_all(context)

    clock.advance(minutes=10)
    run(Scheduler(context, now=clock).start_due_runs())

    assert len(runs_of(context, schedule)) == 1
    assert context.schedules.due(clock()) == ()
    assert context.schedules.get(schedule.id).problem is None


def _die(*_arguments: object, **_options: object) -> None:
    raise KeyboardInterrupt


def test_a_time_waits_for_the_run_before_it(context: Context, clock: Clock) -> None:
    schedule = added(context)
    scheduler = Scheduler(context, now=clock)
    run(scheduler.start_due_runs())
    clock.advance(hours=2.5)
    run(scheduler.start_due_runs())
    assert len(runs_of(context, schedule)) == 1

    finish_all(context)
    run(scheduler.start_due_runs())

    latest, _ = runs_of(context, schedule)
    assert latest.options["note"] == "started late: the one run for 2 missed times, from 2026-05-04 13:00 UTC on"
    assert context.schedules.get(schedule.id).due == NOON + timedelta(hours=3)


def test_a_run_for_more_times_than_are_counted_has_the_last_of_them(
    context: Context, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scheduler_module, "_MOST_COUNTED", 3)
    schedule = added(context, time_parameters={"x": "%j"}, parameters={})
    clock.advance(days=60, minutes=20)
    run(Scheduler(context, now=clock).start_due_runs())

    (late,) = runs_of(context, schedule)
    assert json.loads(run_folder(context.data, late.id).inputs_file.read_bytes()) == {"x": 184}, "3 July"
    assert "the one run for more than 3 missed times, from 2026-05-04 12:00 UTC on" in str(late.options["note"])


@pytest.mark.parametrize("limits", [Limits(queue=3), Limits(queue_per_token=3)])
def test_a_full_queue_makes_a_run_late(context: Context, clock: Clock, limits: Limits) -> None:
    context.limits = limits
    schedules = [added(context) for _ in range(4)]
    scheduler = Scheduler(context, now=clock)
    run(scheduler.start_due_runs())
    assert sorted(len(runs_of(context, one)) for one in schedules) == [0, 1, 1, 1]

    finish_all(context)
    clock.advance(minutes=5)
    run(scheduler.start_due_runs())

    assert [len(runs_of(context, one)) for one in schedules] == [1, 1, 1, 1]
    notes = [late.options.get("note") for one in schedules for late in runs_of(context, one)]
    assert "started late: due at 2026-05-04 12:00 UTC" in notes


def test_a_full_disk_makes_a_run_late(context: Context, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    schedule, scheduler = added(context), Scheduler(context, now=clock)
    with monkeypatch.context() as patch:
        patch.setattr(RunFolder, "write_inputs", failing_with(errno.ENOSPC))
        run(scheduler.start_due_runs())
    waiting = context.schedules.get(schedule.id)
    late = "2026-05-04 12:00 UTC, late: No space left on device"
    assert (waiting.due, waiting.problem, runs_of(context, schedule)) == (NOON, late, ())

    clock.advance(minutes=5)
    run(scheduler.start_due_runs())

    (started,) = runs_of(context, schedule)
    assert started.options["note"] == "started late: due at 2026-05-04 12:00 UTC"
    assert context.schedules.get(schedule.id).problem is None


def test_a_schedule_that_is_late_for_long_shows_why_is_logged_once_and_can_be_paused(
    context: Context, clock: Clock, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Its notebook or values may be on a bad part of the disk: it did not run, without a reason."""
    unread, without_values, identity = added(context), added(context), Identity("", "admin")
    scheduler, stored = Scheduler(context, now=clock), list[str | None]()
    advance = SqliteScheduleStore.advance

    def note(store: SqliteScheduleStore, schedule: Schedule, *, due: datetime | None, problem: str | None) -> None:
        stored.append(problem)
        advance(store, schedule, due=due, problem=problem)

    os.utime(context.catalogue.root / "double.ipynb", (1, 1))  # so that it is read again
    monkeypatch.setattr(SqliteScheduleStore, "advance", note)
    monkeypatch.setattr(catalogue_module, "open_regular_file", failing_with(errno.EIO))
    for _ in range(3):
        run(scheduler.start_due_runs())

    reason = "double.ipynb: cannot be read now (Input/output error); try again later"
    assert stored == [f"2026-05-04 12:00 UTC, late: {reason}"] * 2
    shown = context.schedules.get(unread.id)
    assert (shown.due, shown.problem) == (NOON, stored[0])
    assert len([one for one in caplog.records if one.name == scheduler_module.__name__]) == 2

    values_file(context, without_values).unlink()
    for schedule in (unread, without_values):
        paused = run(change_schedule(context, schedule.id, ScheduleChange(paused=True), identity)).schedule
        assert (paused.paused, paused.due, paused.problem) == (True, None, None)
    assert values_file(context, unread).exists()


@pytest.mark.parametrize("module", [catalogue_module, text_notebooks_module])
def test_a_notebook_that_cannot_be_read_for_a_moment_makes_a_run_late(
    context: Context, clock: Clock, monkeypatch: pytest.MonkeyPatch, module: ModuleType
) -> None:
    (context.catalogue.root / "text.py").write_text('# %% tags=["parameters"]\nx = 1\n')
    schedule = added(context, notebook="text.py")
    os.utime(context.catalogue.root / "text.py", (1, 1))  # so that it is read again
    with monkeypatch.context() as patch:
        patch.setattr(module, "open_regular_file", failing_with(errno.EMFILE))
        run(Scheduler(context, now=clock).start_due_runs())
    assert runs_of(context, schedule) == ()

    run(Scheduler(context, now=clock).start_due_runs())

    assert len(runs_of(context, schedule)) == 1


def test_a_run_that_cannot_start_is_a_problem_of_its_schedule(context: Context, clock: Clock) -> None:
    schedule = added(context)
    (context.catalogue.root / "double.ipynb").unlink()
    scheduler = Scheduler(context, now=clock)
    run(scheduler.start_due_runs())

    broken = context.schedules.get(schedule.id)
    assert broken.problem is not None
    assert broken.problem.startswith("2026-05-04 12:00 UTC: notebook 'double.ipynb': not found")
    assert broken.due == NOON + timedelta(hours=1)

    write_notebooks(context.catalogue.root)
    clock.advance(hours=1)
    run(scheduler.start_due_runs())
    assert context.schedules.get(schedule.id).problem is None
    assert len(runs_of(context, schedule)) == 1


def test_a_schedule_that_is_changed_while_others_start_does_not_start(
    context: Context, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each run is stored on the disk before the next schedule has its turn."""
    first, paused, deleted = added(context), added(context), added(context)
    identity, save = Identity("", "admin"), context.durability.save

    async def change_the_others(folder: RunFolder) -> None:
        await save(folder)
        await change_schedule(context, paused.id, ScheduleChange(paused=True), identity)
        await delete_schedule(context, deleted.id, identity)

    monkeypatch.setattr(context.durability, "save", change_the_others)
    run(Scheduler(context, now=clock).start_due_runs())

    assert [len(runs_of(context, one)) for one in (first, paused, deleted)] == [1, 0, 0]


def test_a_change_keeps_what_another_server_changes_meanwhile(
    context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    schedule, identity, replace_row = added(context), Identity("", "admin"), SqliteScheduleStore.replace
    others = [dict[str, Any](paused=True, due=None)]

    def replace_late(store: SqliteScheduleStore, after: Schedule, *, before: Schedule) -> bool:
        if others:
            replace_row(store, replace(before, **others.pop()), before=before)
        return replace_row(store, after, before=before)

    monkeypatch.setattr(SqliteScheduleStore, "replace", replace_late)
    run(change_schedule(context, schedule.id, ScheduleChange(title="hourly"), identity))

    found = context.schedules.get(schedule.id)
    assert (found.title, found.paused, found.due) == ("hourly", True, None)


def test_a_change_of_a_schedule_that_is_deleted_meanwhile_leaves_no_values(
    context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They may hold secrets."""
    schedule, identity = added(context), Identity("", "admin")

    def delete_first(data: Path, schedule_id: str, values: dict[str, Any]) -> str:
        context.schedules.remove(schedule_id)
        remove_values(data, schedule_id)
        return write_values(data, schedule_id, values)

    monkeypatch.setattr(editing, "write_values", delete_first)
    with pytest.raises(ScheduleMissingError):
        run(change_schedule(context, schedule.id, ScheduleChange(parameters={"x": 5}), identity))

    assert list((context.data / "schedules").iterdir()) == []


def test_a_schedule_that_cannot_be_read_keeps_no_other_from_starting(context: Context, clock: Clock) -> None:
    """A newer image may not have its time zone, or somebody changed the file of its values."""
    without_zone, without_values, fit = added(context), added(context), added(context)
    context.schedules.replace(replace(without_zone, time_zone="Mars/Olympus"), before=without_zone)
    values_file(context, without_values).write_text("[")
    scheduler = Scheduler(context, now=clock)
    run(scheduler.bring_forward())
    run(scheduler.start_due_runs())

    assert [len(runs_of(context, one)) for one in (without_zone, without_values, fit)] == [0, 0, 1]
    shown = {view.schedule.id: view for view in run(list_schedules(context, Identity("", "admin")))}
    assert "Mars/Olympus" in (shown[without_zone.id].schedule.problem or "")
    assert "not the values of a schedule" in (shown[without_values.id].schedule.problem or "")
    assert shown[without_values.id].schedule.due == NOON + timedelta(hours=1)


def test_a_schedule_whose_time_zone_is_missing_can_be_changed(context: Context) -> None:
    schedule, identity = added(context), Identity("", "admin")
    paused = replace(schedule, time_zone="Mars/Olympus", paused=True, due=None)
    context.schedules.replace(paused, before=schedule)
    with pytest.raises(ProblemError, match="time_zone: this server has no 'Mars/Olympus'"):
        run(change_schedule(context, schedule.id, ScheduleChange(paused=False), identity))

    change = ScheduleChange(paused=False, time_zone="Europe/Berlin")
    assert run(change_schedule(context, schedule.id, change, identity)).schedule.due is not None


def test_times_of_a_pause_are_not_caught_up(context: Context, clock: Clock) -> None:
    schedule = added(context)
    identity = Identity("", "admin")
    run(change_schedule(context, schedule.id, ScheduleChange(paused=True), identity))
    run(Scheduler(context, now=clock).start_due_runs())
    resumed = run(change_schedule(context, schedule.id, ScheduleChange(paused=False), identity)).schedule

    assert runs_of(context, schedule) == ()
    assert resumed.due is not None
    assert resumed.due > datetime.now(timezone.utc)


def test_a_clock_that_is_set_back_does_not_put_off_a_schedule(context: Context, clock: Clock) -> None:
    schedule = added(context)
    context.schedules.advance(schedule, due=NOON + timedelta(days=365), problem="why")
    run(Scheduler(context, now=clock).bring_forward())

    found = context.schedules.get(schedule.id)
    assert (found.due, found.problem) == (NOON + timedelta(hours=1), "why")


def test_a_server_notices_that_its_clock_is_set_back(context: Context, clock: Clock) -> None:
    schedule, steady = added(context), 0.0
    clock.advance(days=365)
    watch = ClockWatch(wall=lambda: clock().timestamp(), steady=lambda: steady)
    scheduler = Scheduler(context, now=clock, clock=watch)

    async def work() -> None:
        task = asyncio.create_task(scheduler.work())
        while not runs_of(context, schedule):  # the check at the start is over
            await asyncio.sleep(0.01)
        clock.advance(days=-365)
        while context.schedules.get(schedule.id).due != NOON + timedelta(hours=1):
            await asyncio.sleep(0.01)
        task.cancel()

    run(asyncio.wait_for(work(), 60))


def test_a_server_that_starts_while_the_clock_is_behind_starts_no_schedule_early(
    context: Context, clock: Clock
) -> None:
    """As after a start of a machine without a battery, until a time server answers."""
    schedule = added(context)
    (context.data / "clock").write_text(str(NOON.timestamp()))
    clock.advance(days=-1000)
    watch = ClockWatch(wall=lambda: clock().timestamp(), steady=lambda: 0.0, memory=context.data / "clock")
    scheduler = Scheduler(context, now=clock, clock=watch)
    run(scheduler.check_times())
    assert context.schedules.get(schedule.id).due == NOON

    clock.advance(days=999, hours=20)
    watch = ClockWatch(wall=lambda: clock().timestamp(), steady=lambda: 0.0)
    run(Scheduler(context, now=clock, clock=watch).check_times())
    assert context.schedules.get(schedule.id).due == NOON - timedelta(hours=3)


def test_a_small_step_back_of_the_clock_repeats_no_time(context: Context, clock: Clock) -> None:
    schedule, scheduler = added(context), Scheduler(context, now=clock)
    run(scheduler.start_due_runs())
    clock.advance(seconds=-20)
    run(scheduler.bring_forward())

    assert context.schedules.get(schedule.id).due == NOON + timedelta(hours=1)


def test_a_clock_that_is_set_forward_deletes_no_runs_for_an_hour(context: Context, clock: Clock) -> None:
    times = {"wall": 0.0, "steady": 0.0}
    retention = Retention(context, clock=ClockWatch(wall=lambda: times["wall"], steady=lambda: times["steady"]))
    started = a_run(context, clock)
    finish_all(context)
    with closing(sqlite3.connect(context.data / "runs.sqlite", timeout=30)) as database, database:
        database.execute("UPDATE run SET ended = 1")  # years ago, by the clock that was set forward
    times["wall"] += 10 * 365 * 86400
    retention.tidy()
    assert context.store.get(started).state is RunState.SUCCEEDED

    times = {name: seconds + 3600 for name, seconds in times.items()}
    retention.tidy()
    with pytest.raises(RunMissingError):
        context.store.get(started)


def test_a_server_that_starts_while_the_clock_is_ahead_deletes_no_runs_for_an_hour(
    context: Context, clock: Clock
) -> None:
    started = a_run(context, clock)
    finish_all(context)
    Retention(context).tidy()
    last_seen = float((context.data / "clock").read_text())
    with closing(sqlite3.connect(context.data / "runs.sqlite", timeout=30)) as database, database:
        database.execute("UPDATE run SET ended = 1")  # years ago, by the clock that is ahead
    (context.data / "clock").write_text(str(last_seen - 10 * 365 * 86400))
    Retention(context).tidy()
    assert context.store.get(started).state is RunState.SUCCEEDED

    (context.data / "clock").write_text(str(last_seen))
    Retention(context).tidy()
    with pytest.raises(RunMissingError):
        context.store.get(started)


def test_a_run_does_not_end_before_it_starts(context: Context, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    started = a_run(context, clock)
    claimed = context.store.claim("test")
    assert claimed is not None
    monkeypatch.setattr(sqlite_runs, "_now", lambda: 0.0)
    context.store.finish(started, Outcome(state=RunState.SUCCEEDED))

    assert context.store.get(started).ended == claimed.started


def test_values_are_in_a_file_of_their_own(context: Context) -> None:
    schedule = added(context, notebook="deep/files.ipynb", parameters={"name": "hidden"})

    assert b"hidden" not in (context.data / "runs.sqlite").read_bytes()
    assert stat.S_IMODE(values_file(context, schedule).stat().st_mode) == 0o600


def test_values_of_a_change_that_could_not_be_stored_are_not_those_of_the_schedule(
    context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    schedule = added(context)
    change = ScheduleChange(parameters={"x": 5})

    def refuse(*_: object, **__: object) -> bool:
        raise StoreUnavailableError("the disk is full")

    with monkeypatch.context() as full:
        full.setattr(context.schedules, "replace", refuse)
        with pytest.raises(StoreUnavailableError):
            run(change_schedule(context, schedule.id, change, Identity("", "admin")))
    assert read_values(context.data, context.schedules.get(schedule.id)) == {"x": 4}
    assert [values_file(context, schedule)] == list((context.data / "schedules").iterdir())

    run(change_schedule(context, schedule.id, change, Identity("", "admin")))
    now = context.schedules.get(schedule.id)
    assert read_values(context.data, now) == {"x": 5}
    assert [values_file(context, now)] == list((context.data / "schedules").iterdir())


def test_a_change_of_values_at_the_same_moment_as_one_of_the_title_is_kept(
    context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a database elsewhere, requests wait for it, and other ones go on."""
    schedule, store = added(context), context.schedules
    replace_row, admin = store.replace, Identity("", "admin")

    def replace_after_another(*given: Any, **named: Any) -> bool:
        monkeypatch.setattr(store, "replace", replace_row)
        run(change_schedule(context, schedule.id, ScheduleChange(parameters={"x": 5}), admin))
        return replace_row(*given, **named)

    monkeypatch.setattr(store, "replace", replace_after_another)
    monkeypatch.setattr(SqliteRunStore, "blocking", True)
    run(change_schedule(context, schedule.id, ScheduleChange(title="new"), admin))

    now = context.schedules.get(schedule.id)
    assert (read_values(context.data, now), now.title) == ({"x": 5}, "new")


@pytest.mark.parametrize(
    ("who", "may"),
    [(Identity("a", "run"), True), (Identity("b", "run"), False), (Identity("b", "admin"), True)],
)
def test_a_schedule_is_known_to_its_owner_and_admins(context: Context, who: Identity, may: bool) -> None:
    schedule = run(create_schedule(context, ScheduleChange(**EVERY_HOUR), Identity("a", "run"))).schedule

    assert [view.schedule.id for view in run(list_schedules(context, who))] == ([schedule.id] if may else [])
    if may:
        run(change_schedule(context, schedule.id, ScheduleChange(title="new"), who))
        assert run(show_schedule(context, schedule.id, who)).schedule.title == "new"
        run(delete_schedule(context, schedule.id, who))
    else:
        for call in (show_schedule, delete_schedule):
            with pytest.raises(ScheduleMissingError):
                run(call(context, schedule.id, who))
        with pytest.raises(ScheduleMissingError):
            run(change_schedule(context, schedule.id, ScheduleChange(title="new"), who))


def test_a_token_has_a_share_of_the_schedules(context: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(editing, "_SHARE", 1)
    monkeypatch.setattr(editing, "_MOST", 3)
    create = partial(create_schedule, context, ScheduleChange(**EVERY_HOUR))

    run(create(Identity("a", "run")))
    with pytest.raises(ProblemError, match="this token has 1 schedules"):
        run(create(Identity("a", "run")))
    for who in (Identity("b", "run"), Identity("c", "admin")):
        run(create(who))
    with pytest.raises(ProblemError, match="or ask those who run the server"):
        run(create(Identity("d", "run")))


def test_runs_of_a_schedule_belong_to_its_owner(context: Context, clock: Clock) -> None:
    owner = Identity("a", "run", digest(TokenStore(context.data).create("a", "run")))
    schedule = run(create_schedule(context, ScheduleChange(**EVERY_HOUR), owner)).schedule
    context.schedules.advance(schedule, due=NOON, problem=None)
    run(Scheduler(context, now=clock).start_due_runs())

    assert [run.owner for run in runs_of(context, schedule)] == ["a"]


@pytest.mark.parametrize("role", [None, "read"])
def test_a_schedule_of_a_revoked_token_starts_no_run(context: Context, clock: Clock, role: Role | None) -> None:
    tokens = TokenStore(context.data)
    owner = Identity("a", "run", digest(tokens.create("a", "run")))
    schedule = run(create_schedule(context, ScheduleChange(**EVERY_HOUR), owner)).schedule
    context.schedules.advance(schedule, due=NOON, problem=None)
    tokens.revoke("a")
    if role:
        tokens.create("a", role)
    run(Scheduler(context, now=clock).start_due_runs())

    assert runs_of(context, schedule) == ()
    assert "token 'a': revoked" in str(context.schedules.get(schedule.id).problem)
