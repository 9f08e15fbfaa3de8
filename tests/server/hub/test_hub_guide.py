"""The requests of a guide for a JupyterHub with a papermill API, through the service of the hub."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import requests
from conftest import ADA, BOB, People
from jupyterhub_server import CRON_TOKEN
from waiting import wait_until

pytestmark = pytest.mark.group("hub")

TRAIN = ("dataset: str = ''\nmodel_type: str = ''\nn_estimators: int = 1", "print(dataset, model_type, n_estimators)")


class NotebookClient:
    """A client as people write it: it knows an address, names and parameters, and nothing of tokens."""

    def __init__(self, base_url: str = "http://localhost:8002") -> None:
        self.base_url = base_url

    def execute_notebook(
        self, username: str, notebook_name: str, parameters: dict[str, Any], timeout: int = 300
    ) -> dict[str, Any]:
        body = {"username": username, "notebook_name": notebook_name, "parameters": parameters}
        response = requests.post(f"{self.base_url}/execute", json=body, timeout=timeout)
        response.raise_for_status()
        return dict(response.json())

    def list_notebooks(self, username: str) -> list[Any]:
        response = requests.get(f"{self.base_url}/list-notebooks/{username}")
        response.raise_for_status()
        return list(response.json()["notebooks"])


@pytest.fixture(scope="module", autouse=True)
def _guide_notebooks(people: People) -> None:
    people.write(
        ADA, "notebooks/Test_notebook.ipynb", "param1: str = ''\nthreshold: float = 0", "print(param1, threshold)"
    )
    people.write(ADA, "train_model.ipynb", *TRAIN)
    people.write(ADA, "fails.ipynb", "x: int = 1", "1 / 0")
    (people.homes[ADA] / "out").symlink_to(people.homes[BOB])
    (people.homes[ADA] / "theirs.ipynb").symlink_to(people.homes[BOB] / "double.ipynb")
    wait_until(lambda: "train_model.ipynb" in listing(people), message="the list of the home is a new one")


def listing(people: People) -> str:
    return people.hub.ask("GET", f"/list-notebooks/{ADA}", CRON_TOKEN).text


@pytest.fixture
def netrc(people: People, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file that curl and requests read by themselves."""
    file = tmp_path / "netrc"
    file.write_text(f"machine 127.0.0.1\nlogin {ADA}\npassword {people.hub.token(ADA)}\n")
    file.chmod(0o600)
    monkeypatch.setenv("NETRC", str(file))
    return file


@pytest.fixture
def curl(people: People, netrc: Path) -> Callable[..., Any]:
    def call(*arguments: str) -> Any:
        shown = [one.replace("http://localhost:8002", people.hub.base) for one in arguments]
        command = ["curl", "--silent", "--show-error", "--fail-with-body", "--netrc-file", str(netrc), *shown]
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
        return json.loads(done.stdout)

    return call


def test_curl_lines_for_the_state_and_the_notebooks(people: People, curl: Callable[..., Any]) -> None:
    home = people.homes[ADA]

    assert "POST /execute" in curl("http://localhost:8002/")["endpoints"]
    health = curl("http://localhost:8002/health")
    assert (health["status"], health["papermill_available"]) == ("healthy", True)
    assert health["papermill_path"].endswith("bin/papermill")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", health["timestamp"])
    listed = curl(f"http://localhost:8002/list-notebooks/{ADA}")
    assert (listed["username"], listed["user_home"]) == (ADA, str(home))
    assert listed["notebook_count"] == len(listed["notebooks"])
    (one,) = [one for one in listed["notebooks"] if one["name"] == "Test_notebook.ipynb"]
    assert one["path"] == str(home / "notebooks/Test_notebook.ipynb")
    assert one["relative_path"] == "notebooks/Test_notebook.ipynb"
    assert not [one for one in listed["notebooks"] if one["name"] == "theirs.ipynb" or "out/" in one["relative_path"]]


def test_curl_lines_that_run_notebooks(people: People, curl: Callable[..., Any]) -> None:
    home = people.homes[ADA]
    body = {
        "username": ADA,
        "notebook_name": "Test_notebook.ipynb",
        "parameters": {"param1": "value1", "threshold": 0.8},
    }
    options = ("-X", "POST", "http://localhost:8002/execute", "-H", "Content-Type: application/json", "-d")

    done = curl(*options, json.dumps(body))

    assert (done["status"], done["username"]) == ("success", ADA)
    assert done["input_notebook"] == str(home / "notebooks/Test_notebook.ipynb")
    output = Path(done["output_notebook"])
    assert re.fullmatch(r"Test_notebook_output_\d{8}_\d{6}\.ipynb", output.name)
    assert output.owner() == ADA
    assert "value1 0.8" in output.read_text()
    by_path = {
        "params": {"param1": "value1"},
        "input_path": str(home / "notebooks/Test_notebook.ipynb"),
        "output_path": str(home / "output.ipynb"),
    }
    options = ("-X", "POST", "http://localhost:8002/run-notebook", "-H", "Content-Type: application/json", "-d")
    assert curl(*options, json.dumps(by_path))["output_notebook"] == str(home / "output.ipynb")
    assert (home / "output.ipynb").owner() == ADA


def test_the_client_of_a_person_works_as_it_is_with_a_netrc(people: People, netrc: Path) -> None:
    client = NotebookClient(people.hub.base)

    result = client.execute_notebook(
        username=ADA,
        notebook_name="train_model.ipynb",
        parameters={"dataset": "iris.csv", "model_type": "random_forest", "n_estimators": 100},
    )

    assert "iris.csv random_forest 100" in Path(result["output_notebook"]).read_text()
    assert "train_model.ipynb" in [one["name"] for one in client.list_notebooks(ADA)]
    with pytest.raises(requests.HTTPError, match="403"):
        client.execute_notebook(BOB, "double.ipynb", {})
    with pytest.raises(requests.HTTPError, match="403"):
        client.list_notebooks(BOB)


def test_a_daily_report_runs_by_a_program_and_by_a_schedule_of_the_server(people: People) -> None:
    today = datetime.now().astimezone().strftime("%Y-%m-%d")
    body = {"username": ADA, "notebook_name": "daily_report.ipynb", "parameters": {"date": today}}

    done = people.hub.ask("POST", "/execute", CRON_TOKEN, json=body)

    assert today in Path(done.json()["output_notebook"]).read_text()
    schedule = {
        "notebook": "daily_report.ipynb",
        "cron": "0 2 * * *",
        "time_zone": "Europe/Zurich",
        "time_parameters": {"date": "%Y-%m-%d"},
    }
    created = people.hub.ask("POST", f"/user/{ADA}/schedules", people.hub.token(ADA), json=schedule)
    assert created.status_code == 201
    assert created.json()["next"][0].partition("T")[2].startswith("02:00:00")


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"username": ADA, "notebook_name": "fails.ipynb", "parameters": {}}, 422),
        ({"username": ADA, "notebook_name": "missing.ipynb", "parameters": {}}, 404),
        ({"username": ADA, "notebook_name": f"../{BOB}/double.ipynb", "parameters": {}}, 400),
        ({"username": ADA, "notebook_name": "out/double.ipynb", "parameters": {}}, 404),
        ({"username": ADA, "notebook_name": "theirs.ipynb", "parameters": {}}, 404),
        ({"username": ADA, "notebook_name": "double.ipynb", "parameters": {"x": "three"}}, 400),
        ({"username": [ADA], "notebook_name": "double.ipynb"}, 400),
    ],
)
def test_a_request_that_cannot_succeed_is_answered_with_the_reason(
    people: People, body: dict[str, Any], status: int
) -> None:
    answer = people.hub.ask("POST", "/execute", people.hub.token(ADA), json=body)

    assert answer.status_code == status, answer.text
    assert answer.json()["detail"]


def test_the_path_of_a_notebook_names_its_person_for_a_service(people: People) -> None:
    body = {"params": {"x": 2}, "input_path": str(people.homes[BOB] / "double.ipynb")}

    done = people.hub.ask("POST", "/run-notebook", CRON_TOKEN, json=body).json()

    assert done["username"] == BOB
    assert Path(done["output_notebook"]).owner() == BOB


def test_the_document_of_the_own_server_has_the_requests_of_the_guide(people: People) -> None:
    document = people.hub.ask("GET", f"/user/{ADA}/openapi.json", people.hub.token(ADA)).json()

    assert {"/execute", "/run-notebook", "/list-notebooks/{username}", "/health"} <= set(document["paths"])
    assert document["servers"] == [{"url": f"{people.hub.base}/user/{ADA}"}]
