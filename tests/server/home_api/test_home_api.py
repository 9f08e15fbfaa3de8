"""The interface of a JupyterHub user's home: the guide's requests, and what hostile ones get."""

from __future__ import annotations

import json
import re
import subprocess
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from typing import Any

import nbformat
import pytest
import requests
from notebook_server import NotebookServer, serve_command
from support import write_notebook
from unix_requests import unix_session
from waiting import wait_until

from generator.runner.server.home_api.times import file_time

_NAME = re.compile(r"(?P<stem>.+)_output_\d{8}_\d{6}(?:_\d+)?\.ipynb")


def execute(server: NotebookServer, notebook: str, **parameters: Any) -> requests.Response:
    body = {"username": "ada", "notebook_name": notebook, "parameters": parameters}
    return server.ask("POST", "/execute", json=body)


def printed(file: str) -> str:
    cells = nbformat.read(file, as_version=4).cells
    return "".join(output.get("text", "") for cell in cells for output in cell.get("outputs", ()))


def test_the_state_is_reported(served: NotebookServer) -> None:
    body = served.get("/health")

    assert body["status"] == "healthy"
    assert body["papermill_available"] is True
    assert Path(body["papermill_path"]).name == "papermill"
    assert datetime.fromisoformat(body["timestamp"]).tzinfo is None
    assert body["problems"] == []


def test_the_first_page_is_for_people_and_programs(served: NotebookServer, home: Path) -> None:
    body = served.get("/")

    assert body["username"] == "ada"
    assert body["user_home"] == str(home)
    assert body["endpoints"]["execute"] == "/services/packmill/user/ada/execute"
    assert "daily_report" in served.ask("GET", "/", headers={"Accept": "text/html"}).text
    assert served.ask("GET", "/docs").status_code == 200
    assert "/execute" in served.get("/openapi.json")["paths"]


def test_a_file_time_beyond_the_years_of_dates_is_listed() -> None:
    assert (file_time(1e17), file_time(-1e12)) == ("9999-12-31T23:59:59", "0001-01-01T00:00:00")


def test_the_notebooks_of_the_home_are_listed(served: NotebookServer, home: Path) -> None:
    body = served.get("/list-notebooks/ada")
    listed = [one for one in body["notebooks"] if not _NAME.fullmatch(one["name"])]

    assert body["username"] == "ada"
    assert body["user_home"] == str(home)
    assert body["notebook_count"] == len(body["notebooks"])
    assert [one["relative_path"] for one in listed] == [
        "a/reads.ipynb",
        "a/twice.ipynb",
        "b/twice.ipynb",
        "daily_report.ipynb",
        "fails.ipynb",
        "notebooks/Test_notebook.ipynb",
        "slow.ipynb",
    ]
    file = home / "notebooks" / "Test_notebook.ipynb"
    assert listed[5] == {
        "name": "Test_notebook.ipynb",
        "path": str(file),
        "relative_path": "notebooks/Test_notebook.ipynb",
        "size": file.stat().st_size,
        "modified": datetime.fromtimestamp(file.stat().st_mtime).isoformat(timespec="seconds"),  # noqa: DTZ006
    }


def test_the_curl_line_of_the_guide_runs_a_notebook(served: NotebookServer, home: Path) -> None:
    data = (
        '{"username": "ada", "notebook_name": "Test_notebook.ipynb", "parameters": {"param1": "v", "threshold": 0.8}}'
    )
    command = ["curl", "-sS", "--unix-socket", str(home.parent / "socket"), "-X", "POST", "http://localhost/execute"]
    command += ["-H", "Content-Type: application/json", "-d", data]
    body = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)

    assert body["status"] == "success"
    output = Path(body["output_notebook"])
    assert body == {
        "status": "success",
        "username": "ada",
        "input_notebook": str(home / "notebooks" / "Test_notebook.ipynb"),
        "output_notebook": str(output),
        "parameters": {"param1": "v", "threshold": 0.8},
        "timestamp": body["timestamp"],
    }
    assert output.parent == home
    assert _NAME.fullmatch(output.name)
    assert printed(str(output)) == f"{home.resolve() / 'notebooks'} {home}\n", "its own folder, and the user's HOME"
    assert (home / "notebooks" / "written.txt").read_text() == "v"


class JupyterHubClient:
    """A client of the guide's requests, as its users have written it."""

    def __init__(self, base_url: str, session: requests.Session) -> None:
        self.base_url, self.session = base_url, session

    def execute_notebook(
        self, username: str, notebook_name: str, parameters: dict[str, Any], timeout: int = 300
    ) -> Any:
        response = self.session.post(
            f"{self.base_url}/execute",
            json={"username": username, "notebook_name": notebook_name, "parameters": parameters},
            timeout=timeout,
        )
        response.raise_for_status()
        return response.json()

    def list_notebooks(self, username: str) -> Any:
        response = self.session.get(f"{self.base_url}/list-notebooks/{username}")
        response.raise_for_status()
        return response.json()["notebooks"]


@pytest.mark.parametrize("prefix", ["", "/services/packmill/user/ada"])
def test_a_client_of_the_guide_works_unchanged(served: NotebookServer, home: Path, prefix: str) -> None:
    client = JupyterHubClient(f"http://localhost{prefix}", unix_session(home.parent / "socket"))
    result = client.execute_notebook("ada", "daily_report.ipynb", {"date": "2026-11-28"})

    assert Path(result["output_notebook"]).name in {one["name"] for one in client.list_notebooks("ada")}
    assert (home / "report.txt").read_text() == "2026-11-28"
    with pytest.raises(requests.HTTPError, match="404"):
        client.execute_notebook("ada", "missing.ipynb", {})
    with pytest.raises(requests.HTTPError, match="403"):
        client.list_notebooks("bob")


@pytest.mark.parametrize(
    "name", ["Test_notebook", "notebooks/Test_notebook", "~/notebooks/Test_notebook.ipynb", "{0}", "{1}"]
)
def test_a_notebook_has_several_names(served: NotebookServer, home: Path, name: str) -> None:
    file = home / "notebooks" / "Test_notebook.ipynb"

    assert execute(served, name.format(file, file.resolve())).json()["input_notebook"] == str(file)


def test_a_new_notebook_has_its_name_at_once(served: NotebookServer, home: Path) -> None:
    served.get("/list-notebooks/ada")
    write_notebook(home / "deep" / "in" / "new.ipynb", "x: int = 1", "print(x)")

    assert execute(served, "new").status_code == 200
    assert execute(served, "in/new").status_code == 404, "the end of a path is not a name"


@pytest.mark.parametrize(
    ("path", "file"),
    [
        (None, "a/own.csv"),
        ("x.csv", "a/x.csv"),
        ("../data/x.csv", "data/x.csv"),
        ("~/data/x.csv", "data/x.csv"),
        ("{0}/data/x.csv", "data/x.csv"),
        ("{1}/data/../data/x.csv", "data/x.csv"),
    ],
)
def test_a_parameter_that_is_a_file_takes_paths_in_the_home(
    served: NotebookServer, home: Path, path: str | None, file: str
) -> None:
    named = path.format(home, home.resolve()) if path else None
    values: list[Any] = [named, {"class": "File", "path": named}] if named else [None]
    for value in values:
        answer = execute(served, "reads", table=value)

        assert answer.status_code == 200, answer.text
        assert printed(answer.json()["output_notebook"]) == f"content of {file}\n"


@pytest.mark.parametrize(
    "path",
    [
        *("~/.ssh/x.csv", "../.ssh/x.csv", "{0}/.ssh/x.csv", "~/../other/private.ipynb", "../../other/private.ipynb"),
        *(
            "/etc/hostname",
            "~/out/private.ipynb",
            "~/missing.csv",
            "~/linked.ipynb",
            "{0}",
            "~/",
            "file:///etc/hostname",
        ),
        *("{0}/../other/private.ipynb", "~/data/\0", "{0}x/data.csv"),
    ],
)
def test_a_parameter_that_is_a_file_takes_no_other_path(served: NotebookServer, home: Path, path: str) -> None:
    answer = execute(served, "reads", table=path.format(home))

    assert answer.status_code == 400, answer.text
    assert "table" in answer.text


def test_runs_of_one_second_have_files_of_their_own(served: NotebookServer) -> None:
    with ThreadPoolExecutor(4) as pool:
        bodies = [answer.json() for answer in pool.map(lambda x: execute(served, "a/twice", x=x), range(4))]

    files = [body["output_notebook"] for body in bodies]
    assert len(set(files)) == 4
    assert [printed(file) for file in files] == [f"{x}\n" for x in range(4)]
    page = served.ask("GET", "/", headers={"Accept": "text/html"}).text
    assert "a/twice.ipynb" in page
    assert "_output_" not in page.partition("Recent runs")[0], "pages have the notebooks, not their results"


def test_a_failed_run_has_its_notebook_and_the_error(served: NotebookServer, home: Path) -> None:
    answer = execute(served, "fails.ipynb", x=2, api_key="hidden-value")
    body = answer.json()

    assert answer.status_code == 422
    assert body["status"] == "failed"
    assert (body["cell"], body["reason"]) == (3, "cell-error")
    assert body["error"].startswith("cell 3 failed: ZeroDivisionError")
    assert body["detail"].startswith("fails.ipynb: cell 3 failed")
    assert body["parameters"] == {"x": 2}
    assert "ZeroDivisionError" in Path(body["output_notebook"]).read_text()
    assert "hidden-value" not in answer.text + Path(body["output_notebook"]).read_text()
    assert served.get(body["run"])["state"] == "failed"
    assert Path(body["output_notebook"]).parent == home


def test_a_time_limit_ends_a_run(served: NotebookServer) -> None:
    body = {"notebook_name": "slow.ipynb", "time_limit": 1}
    answer = served.ask("POST", "/execute", json=body)

    assert (answer.status_code, answer.json()["reason"]) == (422, "run-time-limit")


def test_a_run_goes_on_when_its_client_leaves(served: NotebookServer, home: Path) -> None:
    def runs() -> list[str]:
        return [run["id"] for run in served.get("/runs?notebook=slow.ipynb")["runs"]]

    before = runs()
    with pytest.raises(requests.ReadTimeout):
        unix_session(home.parent / "socket").post(
            "http://localhost/execute", json={"notebook_name": "slow", "parameters": {"seconds": 1.5}}, timeout=0.7
        )
    run = wait_until(lambda: [one for one in runs() if one not in before], message="the run is queued")[0]

    assert served.wait_for(run)["state"] == "succeeded"
    delivered = served.get(f"/runs/{run}/result")["delivered"]
    assert (home / delivered).is_file()


def test_a_run_of_a_form_is_stored_in_the_home(served: NotebookServer, home: Path) -> None:
    answer = served.ask("POST", "/notebooks/a/twice.ipynb", data={"x": "7"}, headers={"Accept": "text/html"})
    run = answer.headers["Location"].rpartition("/")[2]
    served.wait_for(run)

    assert printed(str(home / served.get(f"/runs/{run}/result")["delivered"])) == "7\n"
    assert "delivered" not in served.run("a/twice.ipynb")


def test_the_page_of_a_run_has_the_place_of_its_notebook(served: NotebookServer) -> None:
    answer = execute(served, "a/twice")
    run = answer.headers["Link"].partition(">")[0].lstrip("<")
    page = served.ask("GET", run, headers={"Accept": "text/html"}).text

    assert Path(answer.json()["output_notebook"]).name in page


def test_a_client_may_leave_before_the_end(served: NotebookServer) -> None:
    body = {"notebook_name": "slow", "parameters": {"seconds": 60}}
    answer = served.ask("POST", "/execute", json=body, headers={"Prefer": "respond-async"})

    assert answer.status_code == 202
    served.ask("DELETE", answer.headers["Location"])
    assert served.wait_for(answer.json()["id"])["state"] == "dismissed"


@pytest.mark.parametrize(
    ("body", "status", "says"),
    [
        ({"notebook_name": "twice.ipynb"}, 409, "a/twice.ipynb"),
        ({"notebook_name": "dayly_report"}, 404, "did you mean 'daily_report.ipynb'?"),
        ({"notebook_name": "00000000000"}, 404, "; the home has "),
        ({"notebook_name": "x/Test_notebok.ipynb"}, 404, "did you mean"),
        ({"notebook_name": "./b"}, 404, "not found"),
        ({"notebook_name": "../other/private.ipynb"}, 400, "leads out of"),
        ({"notebook_name": "a/../../other/private.ipynb"}, 400, "leads out of"),
        ({"notebook_name": "/etc/passwd"}, 400, "leads out of"),
        ({"notebook_name": "~bob/x.ipynb"}, 404, "not found"),
        ({"notebook_name": "linked.ipynb"}, 404, "not found"),
        ({"notebook_name": "private.ipynb"}, 404, "not found"),
        ({"notebook_name": "out/private.ipynb"}, 404, "not found"),
        ({"notebook_name": ".ssh/hidden.ipynb"}, 404, "not found"),
        ({"notebook_name": "hidden.ipynb"}, 404, "not found"),
        ({"notebook_name": "folder.ipynb"}, 404, "not found"),
        ({"notebook_name": "a\0b"}, 400, "leads out of"),
        ({"notebook_name": "x" * 500}, 404, "not found"),
        ({"notebook_name": "x" * 5000}, 400, "more than 4096 characters"),
        ({"notebook_name": ""}, 400, "'notebook_name' is missing"),
        ({"notebook_name": 3}, 400, "'notebook_name' is not a text"),
        ({"notebook_name": ["a"]}, 400, "'notebook_name' is not a text"),
        ({}, 400, "'notebook_name' is missing"),
        ({"notebook_name": "slow", "username": "bob"}, 403, "the home of 'ada' only"),
        ({"notebook_name": "slow", "username": 1}, 400, "'username' is not a text"),
        ({"notebook_name": "slow", "parameters": [1]}, 400, "'parameters' is not an object"),
        ({"notebook_name": "slow", "parameters": {"secs": 1}}, 400, "did you mean 'seconds'?"),
        ({"notebook_name": "slow", "parameters": {"seconds": "x"}}, 400, "seconds"),
        ({"notebook_name": "slow", "time_limit": 0}, 400, "'time_limit' is not a number"),
        ({"notebook_name": "slow", "time_limit": True}, 400, "'time_limit' is not a number"),
        ({"notebook_name": "slow", "time_limit": 10**400}, 400, "'time_limit' is not a number"),
        ({"notebook_name": "slow", "parameter": {}}, 400, "did you mean 'parameters'?"),
    ],
)
def test_requests_that_do_not_fit_are_refused(
    served: NotebookServer, body: dict[str, Any], status: int, says: str
) -> None:
    answer = served.ask("POST", "/execute", json=body)

    assert answer.status_code == status, answer.text
    assert says in answer.text.replace('\\"', '"')
    assert "detail" in answer.json()


@pytest.mark.parametrize("data", [b"", b"[]", b"{", b'{"notebook_name": "slow", "notebook_name": "slow"}', b"\xff"])
def test_bodies_that_are_no_objects_are_refused(served: NotebookServer, data: bytes) -> None:
    for path in ("/execute", "/run-notebook"):
        assert served.ask("POST", path, data=data).status_code == 400


@pytest.mark.parametrize("output", ["{}/results/output.ipynb", "results/output.ipynb", "~/results/output.ipynb"])
def test_a_path_gets_the_executed_notebook_again_and_again(served: NotebookServer, home: Path, output: str) -> None:
    for x in (1, 2):
        body = {"params": {"x": x}, "input_path": str(home / "a" / "twice.ipynb"), "output_path": output.format(home)}
        answer = served.ask("POST", "/run-notebook", json=body)

        assert answer.json()["output_notebook"] == str(home / "results" / "output.ipynb"), answer.text
        assert answer.json()["parameters"] == {"x": x}
        assert printed(answer.json()["output_notebook"]) == f"{x}\n"


def test_a_folder_or_no_path_gets_a_name_with_the_time(served: NotebookServer, home: Path) -> None:
    for output, folder in (("made/here/", home / "made" / "here"), (None, home)):
        body = {"input_path": "a/twice.ipynb", **({"output_path": output} if output else {})}
        file = Path(served.ask("POST", "/run-notebook", json=body).json()["output_notebook"])

        assert file.parent == folder
        assert _NAME.fullmatch(file.name)


@pytest.mark.parametrize(
    ("output", "status", "says"),
    [
        ("b/twice.ipynb", 409, "is not an executed notebook"),
        ("a/twice.ipynb", 409, "is not an executed notebook"),
        ("linked.ipynb", 409, "is not an executed notebook"),
        ("folder.ipynb", 409, "is not an executed notebook"),
        ("../other/x.ipynb", 400, "leads out of"),
        ("/tmp/x.ipynb", 400, "leads out of"),
        ("out/x.ipynb", 400, "leads out of"),
        (".ssh/x.ipynb", 400, "hidden or invalid"),
        (".ipynb", 400, "does not end in"),
        (".bashrc", 400, "does not end in"),
        ("x.txt", 400, "does not end in"),
        (".local/share/packmill/x.ipynb", 400, "hidden or invalid"),
        ("daily_report.ipynb/x.ipynb", 400, "is a file, not a folder"),
        (f"{'x' * 300}.ipynb", 400, "hidden or invalid"),
        ("a\nb.ipynb", 400, "hidden or invalid"),
        ("/".join(["d" * 200] * 30) + "/x.ipynb", 400, "more than 4096 characters"),
        ("/".join(["d" * 200] * 20) + "/x.ipynb", 400, "too long"),
    ],
)
def test_output_paths_that_may_not_be_written_are_refused(
    served: NotebookServer, home: Path, output: str, status: int, says: str
) -> None:
    before = (home / "b" / "twice.ipynb").read_bytes()
    answer = served.ask("POST", "/run-notebook", json={"input_path": "a/twice.ipynb", "output_path": output})

    assert answer.status_code == status, answer.text
    assert says in answer.text
    assert (home / "b" / "twice.ipynb").read_bytes() == before
    assert sorted(path.name for path in (home.parent / "other").iterdir()) == ["private.ipynb"]


@pytest.mark.parametrize("path", ["Test_notebook.ipynb", "", "../other/private.ipynb", "/etc/hostname", "linked.ipynb"])
def test_a_path_has_to_be_that_of_a_notebook(served: NotebookServer, path: str) -> None:
    assert served.ask("POST", "/run-notebook", json={"input_path": path}).status_code in (400, 404)


def test_the_interface_is_part_of_a_home_alone(server: NotebookServer) -> None:
    assert server.ask("POST", "/execute", json={}).status_code == 404
    assert server.ask("GET", "/list-notebooks/ada").status_code == 404
    assert server.get("/health")["status"] == "ok"


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--home-of", "ada", "--output-root", "x"), "--output-root: with --home-of"),
        (("--home-of", "a/b"), "not the name"),
    ],
)
def test_options_that_contradict_a_home_are_refused(tmp_path: Path, options: tuple[str, ...], says: str) -> None:
    (tmp_path / "root").mkdir()
    refused = serve_command(tmp_path / "root", tmp_path / "data", *options)

    assert refused.returncode == 2
    assert says in refused.stderr
