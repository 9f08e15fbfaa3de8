"""The life of ``packmill-runner hub`` and of users' servers: idle ones, schedules, and the end of the hub."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator

import pytest
from conftest import EVE, People, write_home
from jupyterhub_server import PREFIX, JupyterHub, require_hub, system_users, user_processes
from waiting import has_ended, wait_until

pytestmark = pytest.mark.group("hub")


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Iterator[People]:
    """A hub with one person; tests end it, and start it again."""
    require_hub()
    with system_users(EVE) as homes:
        folder = tmp_path_factory.mktemp("hub")
        hub = JupyterHub(folder, {EVE}, "--idle-timeout", "1s", "--shutdown-timeout", "20s")
        started = People(hub, homes)
        write_home(started, EVE)
        (folder / "service").mkdir(mode=0o700)
        (folder / "service" / "scheduled.json").write_text('["packmill-removed"]')
        try:
            yield People(hub.start(), homes)
        finally:
            hub.stop()


def test_a_server_ends_when_it_is_idle(people: People) -> None:
    assert people.hub.ask("GET", f"/user/{EVE}/notebooks", people.hub.token(EVE)).status_code == 200
    assert user_processes(EVE)

    wait_until(lambda: not user_processes(EVE), message="the idle server has ended")


def test_a_run_keeps_the_server(people: People) -> None:
    token = people.hub.token(EVE)
    run = start(people, token, seconds=2)

    wait_until(lambda: not user_processes(EVE), message="the server ends after the run")

    assert people.hub.ask("GET", f"/user/{EVE}/runs/{run}", token).json()["state"] == "succeeded"


def test_a_user_whom_the_hub_has_no_more_is_forgotten(people: People) -> None:
    wait_until(lambda: scheduled(people) == [], message="the user is forgotten")

    assert "user removed from the hub user=packmill-removed" in people.hub.log.read_text()


def test_the_service_and_users_servers_end_with_a_hub_that_is_killed_and_schedules_go_on(people: People) -> None:
    token = people.hub.token(EVE)
    body = {"notebook": "daily_report.ipynb", "cron": "0 2 * * *", "time_zone": "Europe/Zurich"}
    created = people.hub.ask("POST", f"/user/{EVE}/schedules", token, json=body)
    assert created.status_code == 201, created.text
    assert scheduled(people) == [EVE]
    run = start(people, token, seconds=60)
    service, processes = people.hub.service_pid(), people.hub.processes()
    wait_until(lambda: is_running(people, token), message="the run runs")

    people.hub.stop(signal.SIGKILL)

    os.kill(next(one for one in processes if one != service), signal.SIGTERM)  # the proxy, which lives on
    wait_until(lambda: "JupyterHub has ended" in people.hub.log.read_text(), message="the service notices the end")
    os.kill(service, signal.SIGTERM)  # the end of the hub was the first signal, and the second one interrupts runs
    wait_until(lambda: has_ended(service), message="the service has ended")
    assert not user_processes(EVE)

    people.hub.start()

    wait_until(lambda: user_processes(EVE), message="the server of a person with schedules is started")
    entity = people.hub.ask("GET", f"/user/{EVE}/runs/{run}", token).json()
    assert (entity["state"], entity["reason"]) == ("failed", "interrupted")
    assert people.hub.ask("DELETE", created.headers["Location"].removeprefix(PREFIX), token).status_code == 204
    assert scheduled(people) == []


def test_users_servers_end_with_a_service_that_is_killed(people: People) -> None:
    assert people.hub.ask("GET", f"/user/{EVE}/notebooks", people.hub.token(EVE)).status_code == 200

    os.kill(people.hub.service_pid(), signal.SIGKILL)

    wait_until(lambda: not user_processes(EVE), message="the server has ended")


def start(people: People, token: str, *, seconds: float) -> str:
    """The id of a run that was started."""
    body = {"notebook": "slow.ipynb", "parameters": {"seconds": seconds}}
    return str(people.hub.ask("POST", f"/user/{EVE}/runs", token, json=body).json()["id"])


def is_running(people: People, token: str) -> bool:
    return bool(people.hub.ask("GET", f"/user/{EVE}/runs?state=running", token).json()["runs"])


def scheduled(people: People) -> list[str]:
    return list(json.loads((people.hub.folder / "service/scheduled.json").read_text()))
