"""Schedules: what python-gitlab does with them, when they start pipelines, and what a killed service leaves."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import gitlab
import pytest
import requests
import sqlalchemy as sa
from ci_service import ACCESS, Service
from test_hooks import Receiver, receiver  # noqa: F401 - a fixture
from waiting import wait_until

from generator.service.store import tokens
from generator.service.store.database import Database, sqlite_url
from generator.service.store.schedule_tables import schedules as table

_NEVER = {"ref": "main", "cron": "0 0 1 1 *"}
_SLOW_NAMES = """
import pathlib
import socket
import time

resolve = socket.getaddrinfo


def resolve_slowly(host, *given, **named):
    if host == "slow.invalid":
        pathlib.Path({asked!r}).touch()
        while not pathlib.Path({over!r}).exists():
            time.sleep(0.05)
        raise socket.gaierror("unknown")
    return resolve(host, *given, **named)


socket.getaddrinfo = resolve_slowly
"""
"""A module that Python imports at its start."""


@pytest.fixture
def schedules(service: Service) -> Iterator[Any]:
    """The schedules as python-gitlab has them; those that a test leaves are removed."""
    manager = _schedules(service)
    yield manager
    for one in manager.list(get_all=True):
        one.delete()


def _schedules(service: Service, token: str = ACCESS) -> Any:
    return gitlab.Gitlab(service.url, private_token=token).projects.get(1).pipelineschedules


@pytest.fixture
def reader(service: Service) -> str:
    """A token that may only read."""
    database = Database(sqlite_url(service.data / "packmill.sqlite3"))
    token = tokens.create(database, name="reader", scopes=["read_api"])
    database.close()
    return token


def _set(service: Service, number: int, **values: Any) -> None:
    """Change a schedule's row, as the time that passes would."""
    database = Database(sqlite_url(service.data / "packmill.sqlite3"))
    with database.transaction() as connection:
        connection.execute(sa.update(table).where(table.c.id == number).values(**values))
    database.close()


def _come_due(service: Service, schedule: Any, **values: Any) -> None:
    """Let the time of a schedule have come an hour ago."""
    _set(service, schedule.id, next_run_at=time.time() - 3600, **values)
    schedule.description += ", changed"
    schedule.save()  # wakes the thread that starts pipelines


def _pipelines(schedule: Any) -> list[int]:
    return [one.id for one in schedule.pipelines.list(get_all=True)]


def test_a_schedule_is_created_changed_and_deleted(schedules: Any) -> None:
    made = schedules.create({"description": "every morning", "ref": "main", "cron": "30 6 * * *"})
    assert (made.cron_timezone, made.active, made.owner["username"]) == ("UTC", True, "access")
    assert made.next_run_at.endswith("T06:30:00.000Z")

    made.cron_timezone = "Asia/Kolkata"
    made.save()
    assert made.next_run_at.endswith("T01:00:00.000Z")
    made.active = False
    made.save()
    assert made.next_run_at is None
    assert [one.id for one in schedules.list(scope="inactive", get_all=True)] == [made.id]
    assert schedules.list(scope="active", get_all=True) == []

    made.delete()
    with pytest.raises(gitlab.GitlabGetError, match="404"):
        schedules.get(made.id)


def test_variables_of_a_schedule_reach_its_pipelines_and_secret_ones_nothing_else(
    service: Service, schedules: Any
) -> None:
    made = schedules.create({"description": "with values", **_NEVER})
    made.variables.create({"key": "repository", "value": "https://example.org/scheduled.git"})
    made.variables.create({"key": "SERVICE_TOKEN", "value": "token-of-ada"})
    made.variables.create({"key": "script", "value": "exit 3"})
    made.variables.update("script", {"key": "script", "value": 'echo "by $CI_PIPELINE_SOURCE"'})
    with pytest.raises(gitlab.GitlabCreateError, match="duplicate"):
        made.variables.create({"key": "script", "value": "true"})

    number = made.id
    assert made.play() == {"message": "201 Created"}

    made = schedules.get(number)
    found = made.pipelines.list(get_all=True)
    assert service.wait(found[0].id) == "success"
    assert "by schedule" in service.trace(service.jobs(found[0].id)["one"]["id"])
    assert service.get(f"/pipelines/{found[0].id}")["source"] == "schedule"
    shown = schedules.get(made.id)
    assert shown.last_pipeline["status"] == "success"
    values = {one["key"]: one["value"] for one in shown.asdict()["variables"]}
    assert values["SERVICE_TOKEN"] == "••• (12 characters)"
    assert values["repository"] == "https://example.org/scheduled.git"
    stored = b"".join(file.read_bytes() for file in service.data.glob("packmill.sqlite3*"))
    assert b"token-of-ada" not in stored

    made.variables.delete("SERVICE_TOKEN")
    assert {one["key"] for one in schedules.get(made.id).asdict()["variables"]} == {"repository", "script"}
    with pytest.raises(gitlab.GitlabDeleteError, match="404"):
        made.variables.delete("SERVICE_TOKEN")


def test_the_end_of_a_schedule_s_pipelines_is_sent_to_its_address(
    service: Service,
    schedules: Any,
    receiver: Receiver,  # noqa: F811
) -> None:
    target = {"notify_url": f"{receiver.url}?key=of-the-receiver", "notify_token": "from-packmill"}
    made = schedules.create({"description": "with an address", **_NEVER, **target})
    assert made.notify_url == f"{receiver.url}?"
    number = made.id
    made.play()
    made = schedules.get(number)

    wait_until(lambda: receiver.received, message="the notification")
    headers, body = receiver.received[0]
    assert headers["X-Gitlab-Token"] == "from-packmill"
    assert (body["run"]["id"], body["run"]["schedule_id"]) == (_pipelines(made)[0], number)
    assert body["run"]["status"] == body["object_attributes"]["status"] == "success"
    stored = b"".join(file.read_bytes() for file in service.data.glob("packmill.sqlite3*"))
    assert b"of-the-receiver" not in stored
    schedules.update(number, {"notify_url": made.notify_url, "description": "as it was shown"})
    made.play()
    wait_until(lambda: len(receiver.received) == 2, message="the second notification")
    assert receiver.received[1][0]["X-Gitlab-Token"] == "from-packmill"
    made = schedules.get(number)
    made.notify_url = ""
    made.save()
    assert schedules.get(number).notify_url is None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"cron": "every day"}, "cron"),
        ({"cron": "61 * * * *"}, "cron"),
        ({"cron_timezone": "Mars/Olympus"}, "cron_timezone"),
        ({"cron_timezone": "localtime"}, "cron_timezone"),
        ({"ref": "nowhere"}, "ref"),
        ({"description": ""}, "description is empty"),
        ({"notify_url": "ftp://example.org"}, "notify_url"),
        ({"notify_url": "http://127.0.0.1:1/", "notify_token": "two\nlines"}, "notify_token"),
    ],
)
def test_what_cannot_run_is_refused(change: dict[str, str], message: str, schedules: Any) -> None:
    with pytest.raises(gitlab.GitlabCreateError, match=message):
        schedules.create({"description": "wrong", **_NEVER, **change})

    assert schedules.list(get_all=True) == []


def test_a_schedule_whose_time_zone_is_missing_is_shown_and_can_be_changed(service: Service, schedules: Any) -> None:
    """Another machine, or a newer image, may not have it."""
    made = schedules.create({"description": "of Mars", **_NEVER})
    _set(service, made.id, cron_timezone="Mars/Olympus")
    signed_in = requests.Session()
    signed_in.post(f"{service.url}/-/sign-in", data={"token": ACCESS}, timeout=60)
    page = signed_in.get(f"{service.url}/ada/toy/-/schedules/{made.id}", timeout=60)

    assert page.status_code == 200
    assert "Mars/Olympus" in page.text
    made.cron = "0 0 2 1 *"
    made.save()
    assert "Mars/Olympus" in schedules.get(made.id).problem
    number = made.id
    made.play()
    made = schedules.get(number)
    assert "Mars/Olympus" in made.problem
    made.cron_timezone = "UTC"
    made.save()
    assert (schedules.get(made.id).problem, schedules.get(made.id).next_run_at is None) == (None, False)


def test_a_time_that_has_come_starts_one_pipeline(service: Service, schedules: Any) -> None:
    made = schedules.create({"description": "hourly", "ref": "main", "cron": "0 * * * *"})
    _set(service, made.id, next_run_at=time.time() + 1)
    made.description = "soon"
    made.save()
    assert _pipelines(made) == []

    number = wait_until(lambda: _pipelines(made), message="a pipeline")[0]

    service.wait(number)
    assert _pipelines(made) == [number]
    assert schedules.get(made.id).next_run_at > service.get(f"/pipelines/{number}")["created_at"]


def test_missed_times_start_one_pipeline_and_a_kill_doubles_none(another_service: Callable[..., Service]) -> None:
    """The service is killed as soon as it has started the pipeline."""
    service = another_service()
    made = _schedules(service).create({"description": "hourly", "ref": "main", "cron": "0 * * * *"})
    made.variables.create({"key": "script", "value": "sleep 3"})
    service.stop()
    _set(service, made.id, next_run_at=time.time() - 5 * 3600)

    service.start()
    wait_until(lambda: service.get("/pipelines"), message="the pipeline")
    service.stop(signal.SIGKILL)
    service.start()

    found = service.get("/pipelines")
    assert len(found) == 1
    service.wait(found[0]["id"])
    assert len(service.get("/pipelines")) == 1


def test_a_time_waits_for_the_last_pipeline_to_end(service: Service, schedules: Any) -> None:
    made = schedules.create({"description": "long", **_NEVER})
    made.variables.create({"key": "script", "value": "sleep 2"})
    number = made.id
    made.play()
    made = schedules.get(number)
    _come_due(service, made)

    assert len(_pipelines(made)) == 1
    first, second = wait_until(lambda: _pipelines(made)[1:] and _pipelines(made), message="the pipeline that waited")
    assert service.get(f"/pipelines/{first}")["status"] == "success"
    service.wait(second)


def test_why_a_due_pipeline_could_not_start_is_shown(service: Service, schedules: Any) -> None:
    made = schedules.create({"description": "of nothing", **_NEVER})
    made.variables.create({"key": "nothing", "value": "yes"})
    _come_due(service, made)

    wait_until(lambda: schedules.get(made.id).problem, message="the problem")
    shown = schedules.get(made.id)
    assert shown.problem.startswith("Pipeline will not run for the selected trigger.")
    assert shown.next_run_at is not None
    assert _pipelines(made) == []


def test_a_schedule_stops_with_its_token_and_can_be_taken_over(service: Service, schedules: Any) -> None:
    made = schedules.create({"description": "of someone who left", **_NEVER})
    _come_due(service, made, user="gone", user_id=4711)
    wait_until(lambda: schedules.get(made.id).problem, message="the problem")
    assert "'gone'" in schedules.get(made.id).problem

    made.take_ownership()

    assert schedules.get(made.id).owner["username"] == "access"
    assert schedules.get(made.id).problem is None


def test_a_token_that_may_only_read_sees_no_variables_and_changes_nothing(
    service: Service, schedules: Any, reader: str
) -> None:
    made = schedules.create({"description": "for readers", **_NEVER})
    made.variables.create({"key": "repository", "value": "x"})

    seen = _schedules(service, reader).get(made.id)

    assert "variables" not in seen.asdict()
    with pytest.raises(gitlab.GitlabPipelinePlayError, match="403"):
        seen.play()
    with pytest.raises(gitlab.GitlabCreateError, match="403"):
        _schedules(service, reader).create({"description": "not mine", **_NEVER})


def test_variables_that_are_set_at_the_same_moment_are_all_kept(service: Service, schedules: Any) -> None:
    schedule = schedules.create({"description": "busy", "ref": "main", "cron": "0 0 1 1 *"})
    path = f"/pipeline_schedules/{schedule.id}/variables"
    service.ask("POST", path, json={"key": "changed", "value": "before"})

    def add(number: int) -> int:
        return service.ask(
            "POST", path, json={"key": f"v{number}", "value": f"https://ada:pass{number}@host"}
        ).status_code

    with ThreadPoolExecutor(8) as threads:
        changed = threads.submit(service.ask, "PUT", f"{path}/changed", json={"value": "after"})
        statuses = list(threads.map(add, range(24)))

    kept = {one["key"]: one["value"] for one in service.get(f"/pipeline_schedules/{schedule.id}")["variables"]}
    assert (set(statuses), changed.result().status_code) == ({201}, 200)
    assert sorted(kept) == sorted(["changed", *(f"v{number}" for number in range(24))])
    assert kept["changed"] == "after"


def test_names_that_resolve_slowly_keep_no_other_request_waiting(project: Path, tmp_path: Path) -> None:
    """There are more of them than threads that answer requests; their servers of names may be the caller's own."""
    (tmp_path / "sitecustomize.py").write_text(
        _SLOW_NAMES.format(asked=str(tmp_path / "asked"), over=str(tmp_path / "over"))
    )
    service = Service(project, tmp_path / "data", fresh=True)
    path = os.pathsep.join(filter(None, (str(tmp_path), service.environment.get("PYTHONPATH"))))
    service.environment |= {"PYTHONPATH": path, "PACKMILL_STAGE_GUARD": "yes"}
    service.start()

    def create(number: int) -> int:
        given = {**_NEVER, "description": str(number), "notify_url": "https://slow.invalid/"}
        return service.ask("POST", "/pipeline_schedules", json=given).status_code

    try:
        with ThreadPoolExecutor(45) as threads:
            waiting = [threads.submit(create, number) for number in range(45)]
            wait_until((tmp_path / "asked").exists, message="a name is resolved")
            answers = [requests.get(f"{service.url}/-/sign-in", timeout=60) for _ in range(3)]
            assert not any(one.done() for one in waiting)
            (tmp_path / "over").touch()
            assert {one.result() for one in waiting} == {400}
    finally:
        (tmp_path / "over").touch()
        service.stop()
    assert {one.status_code for one in answers} == {200}
