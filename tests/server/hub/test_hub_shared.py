"""A hub whose users share one system user, as with SimpleLocalProcessSpawner."""

from __future__ import annotations

import os
import pwd
import threading
from collections.abc import Iterator
from urllib.parse import quote

import pytest
import requests
from jupyterhub_server import JupyterHub, require_hub, system_users
from support import write_notebook
from waiting import wait_until

pytestmark = pytest.mark.group("hub")
SHARED, SPACED = "packmill-shared", "d e"


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[JupyterHub]:
    require_hub()
    with system_users(SHARED) as homes:
        folder = homes[SHARED] / "hub"
        uid = pwd.getpwnam(SHARED).pw_uid
        (folder / "homes" / SPACED).mkdir(parents=True)
        (folder / "homes" / "trap").symlink_to("/etc")
        write_notebook(folder / "homes" / SPACED / "double.ipynb", "x: int = 1", "print(x * 2)")
        slow = "import time\nopen('started', 'w').close()\ntime.sleep(2)"
        write_notebook(folder / "homes" / SPACED / "slow.ipynb", slow, tags=())
        users = {SPACED, "ada", "trap"}
        started = JupyterHub(folder, users, "--home", f"{folder}/homes/{{username}}", "--rate-limit", "10", as_user=uid)
        for path in (folder, *folder.rglob("*")):
            os.chown(path, uid, uid, follow_symlinks=False)
        try:
            yield started.start()
        finally:
            started.stop()


def test_a_home_follows_from_the_template_also_for_a_name_with_a_space(hub: JupyterHub) -> None:
    token = hub.token(SPACED)
    body = {"username": SPACED, "notebook_name": "double.ipynb", "parameters": {"x": 21}}

    done = hub.ask("POST", "/execute", token, json=body)
    listed = hub.ask("GET", f"/list-notebooks/{quote(SPACED)}", token)
    page = hub.ask("GET", f"/user/{quote(SPACED)}/", token, headers={"Accept": "text/html"})

    assert done.json()["output_notebook"].startswith(f"{hub.folder}/homes/{SPACED}/double_output_")
    assert "double.ipynb" in [one["name"] for one in listed.json()["notebooks"]]
    assert f'href="{hub.prefix}/user/d%20e/runs"' in page.text


def test_a_home_is_created_for_its_user_alone(hub: JupyterHub) -> None:
    listed = hub.ask("GET", "/list-notebooks/ada", hub.token("ada"))

    assert listed.json()["notebook_count"] == 0
    assert (hub.folder / "homes/ada").stat().st_mode & 0o077 == 0


def test_a_link_in_place_of_a_home_is_refused(hub: JupyterHub) -> None:
    listed = hub.ask("GET", "/list-notebooks/trap", hub.token("trap"))

    assert listed.status_code == 503
    assert "is a link" in listed.json()["detail"]


def test_users_of_the_hub_do_not_reach_each_other(hub: JupyterHub) -> None:
    assert hub.ask("GET", f"/list-notebooks/{quote(SPACED)}", hub.token("ada")).status_code == 403


def test_requests_of_a_person_are_limited(hub: JupyterHub) -> None:
    token = hub.token("ada")

    answers = [hub.ask("GET", "/user/ada/notebooks", token) for _ in range(12)]

    assert answers[-1].status_code == 429
    assert int(answers[-1].headers["Retry-After"]) >= 1
    assert "ada" in answers[-1].json()["detail"]
    assert hub.ask("GET", f"/user/{quote(SPACED)}/notebooks", hub.token(SPACED)).status_code == 200


def test_a_running_run_ends_before_the_service_and_its_caller_gets_the_result(hub: JupyterHub) -> None:
    token, answers = hub.token(SPACED), list[requests.Response]()
    body = {"username": SPACED, "notebook_name": "slow.ipynb", "parameters": {}}
    waiting = threading.Thread(target=lambda: answers.append(hub.ask("POST", "/execute", token, json=body)))
    waiting.start()
    started = hub.folder / "homes" / SPACED / "started"
    wait_until(started.exists, message="the run runs")

    hub.stop()

    waiting.join(60)
    assert answers[0].json()["status"] == "success"
    log = hub.log.read_text()
    assert log.index("user server stopped") < log.index("packmill-runner: stopped\n")
