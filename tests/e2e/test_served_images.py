"""An image that serves its notebooks: ``docker run -p 8000:8000 IMAGE packmill-runner serve``."""

from __future__ import annotations

import re
import secrets
import subprocess
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests
from local_images import Built
from ports import free_port
from waiting import wait_until

pytestmark = [
    pytest.mark.engine,
    pytest.mark.slow,
    pytest.mark.group("several"),
]
_LARGEST_LAYER = 26_000_000
_FREE = ("packmill-runner", "serve")
_ENDED = ("succeeded", "failed", "dismissed")
_RESTRICTED = ("--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges", "--user=4242:0")


def docker(*words: str) -> str:
    done = subprocess.run(["docker", *words], capture_output=True, text=True, check=True)
    return done.stdout + done.stderr


class Served:
    """A container of an image that serves."""

    def __init__(self, image: str, *options: str) -> None:
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        self.id = docker("run", "--detach", f"--publish=127.0.0.1:{port}:8000", *options, image, *_FREE).strip()
        self.token = ""

    def wait_until_it_answers(self) -> Served:
        wait_until(self._answers, message="the server answers")
        shown = re.search(r"^token 'first' \(admin\): (\S+)$", self.log, re.MULTILINE)
        self.token = shown[1] if shown else ""
        return self

    def _answers(self) -> bool:
        try:
            return requests.get(f"{self.url}/notebooks", timeout=60).status_code == 401
        except requests.ConnectionError:
            assert self.is_running, self.log
            return False

    @property
    def is_running(self) -> bool:
        return docker("inspect", "--format={{.State.Running}}", self.id).strip() == "true"

    @property
    def log(self) -> str:
        return docker("logs", self.id)

    @property
    def exit_code(self) -> int:
        return int(docker("wait", self.id))

    def ask(self, method: str, path: str, **options: Any) -> Any:
        headers = {"Authorization": f"Bearer {self.token}"}
        answer = requests.request(method, self.url + path, headers=headers, timeout=120, **options)
        assert answer.ok, answer.text
        return answer.json()

    def run(self, notebook: str, *, wait: int = 60, **parameters: Any) -> Any:
        body = {"notebook": notebook, "parameters": parameters}
        return self.ask("POST", f"/runs?wait={wait}", json=body)

    def zombies(self) -> list[str]:
        """The states and names of ended processes that nobody collected."""
        look = "cat /proc/[0-9]*/stat 2> /dev/null | grep ') Z' || true"
        return docker("exec", self.id, "sh", "-c", look).splitlines()

    def remove(self) -> None:
        docker("rm", "--force", "--volumes", self.id)


@pytest.fixture
def volume() -> Iterator[str]:
    name = f"packmill-tests-{secrets.token_hex(6)}"
    docker("volume", "create", name)
    yield name
    docker("volume", "rm", "--force", name)


@pytest.fixture
def serve(several: Built, volume: str) -> Iterator[Callable[..., Served]]:
    """Starts servers of an image; removes them before the volume."""
    started: list[Served] = []

    def start(*options: str) -> Served:
        started.append(Served(several.image, *options))
        return started[-1]

    yield start
    for served in started:
        served.remove()


def test_an_image_serves_its_notebooks_without_any_option(serve: Callable[..., Served]) -> None:
    served = serve().wait_until_it_answers()

    names = [one["path"] for one in served.ask("GET", "/notebooks")["notebooks"]]
    begun = served.run("good.ipynb", wait=0, n=3)["id"]
    wait_until(lambda: served.ask("GET", f"/runs/{begun}")["state"] in _ENDED, message="the run ends")
    result = served.ask("GET", f"/runs/{begun}/result")

    assert "good.ipynb" in names
    assert (result["state"], result["scraps"]["n"], result["scraps"]["uid"]) == ("succeeded", 3, 1000)
    assert "n.txt" in [one["path"] for one in result["outputs"]]
    assert "warning: runs are lost with the container; keep them in a volume" in served.log
    docker("stop", served.id)
    assert served.exit_code == 0


def test_the_pages_of_an_image_need_no_other_server(serve: Callable[..., Served]) -> None:
    served = serve().wait_until_it_answers()
    browser = requests.Session()
    browser.headers["Accept"] = "text/html"
    browser.post(f"{served.url}/sign-in", data={"token": served.token}, timeout=60)
    run = served.run("good.ipynb", n=3)["run"]["id"]

    for path in ("/", "/notebooks/good.ipynb", f"/runs/{run}", "/docs"):
        page = browser.get(served.url + path, timeout=60)
        assert "Sign out" in page.text
        addresses = re.findall(r'(?:href|src)="([^"#]*static/[^"]*)"', page.text)
        assert {browser.get(served.url + one, timeout=60).status_code for one in addresses} == {200}
    assert any("swagger-ui-bundle.js" in one for one in addresses)
    notebook = browser.get(f"{served.url}/runs/{run}/notebook", timeout=60)
    assert notebook.headers["Content-Type"] == "text/html; charset=utf-8"
    assert "jp-Notebook" in notebook.text


def test_processes_that_a_notebook_leaves_are_collected(serve: Callable[..., Served]) -> None:
    served = serve().wait_until_it_answers()

    assert served.run("orphans.ipynb")["state"] == "succeeded"

    wait_until(lambda: not served.zombies(), message="no zombie stays")


def test_a_notebook_that_uses_up_the_memory_leaves_the_server_alone(serve: Callable[..., Served]) -> None:
    served = serve("--memory=300m", "--memory-swap=300m").wait_until_it_answers()

    failed = served.run("hungry.ipynb")

    assert (failed["state"], failed["reason"]) == ("failed", "out-of-memory")
    assert served.run("good.ipynb")["state"] == "succeeded"


def test_docker_stop_saves_a_running_notebook_in_time(serve: Callable[..., Served], volume: str) -> None:
    served = serve(f"--volume={volume}:/var/lib/packmill").wait_until_it_answers()
    begun = served.run("slow.ipynb", wait=0)["id"]
    wait_until(lambda: "begun" in docker("exec", served.id, "ls", "/tmp"), message="the second cell runs")

    docker("stop", served.id)

    assert served.exit_code == 0, "137 if it had been killed"
    again = serve(f"--volume={volume}:/var/lib/packmill").wait_until_it_answers()
    assert not again.token, "shown once"
    again.token = served.token
    run = again.ask("GET", f"/runs/{begun}")
    assert (run["state"], run["reason"]) == ("failed", "interrupted")
    cells = again.ask("GET", f"/runs/{begun}/notebook")["cells"]
    assert "/tmp/begun" in str(cells[-2]["outputs"])
    assert "lost with the container" not in again.log


@pytest.mark.parametrize("writable", ["volume", "tmpfs"])
def test_a_server_needs_one_writable_folder_and_no_rights(
    writable: str, serve: Callable[..., Served], volume: str
) -> None:
    option = f"--volume={volume}:/var/lib/packmill" if writable == "volume" else "--tmpfs=/tmp"
    served = serve(*_RESTRICTED, option).wait_until_it_answers()

    result = served.run("good.ipynb", n=4)

    assert (result["state"], result["scraps"]["n"], result["scraps"]["uid"]) == ("succeeded", 4, 4242)
    assert ("lost with the container" in served.log) == (writable == "tmpfs")


def test_a_server_without_a_writable_folder_names_what_to_mount(serve: Callable[..., Served]) -> None:
    served = serve(*_RESTRICTED)

    assert served.exit_code == 2
    assert served.log == (
        "packmill-runner: /var/lib/packmill: not writable for user 4242; serve as user 0, "
        "or mount another volume at /var/lib/packmill\n"
    )


def test_the_server_is_a_small_layer_that_a_run_does_not_load(several: Built) -> None:
    history = docker("history", "--human=false", "--no-trunc", "--format={{.Size}} {{.CreatedBy}}", several.image)
    (size,) = (int(line.split()[0]) for line in history.splitlines() if "COPY /server/" in line)
    python = "/opt/packmill/bin/python -I -X importtime -m generator.runner"
    command = f"cd /tmp && {python} run --process good.ipynb 2>&1"
    loaded = docker("run", "--rm", "--entrypoint=sh", several.image, "-c", command)
    look = "import sys, importlib.util; print('server' in str(sys.path), importlib.util.find_spec('fastapi'))"
    path = docker("run", "--rm", "--entrypoint=/opt/packmill/bin/python", several.image, "-I", "-c", look)

    assert 5_000_000 < size < _LARGEST_LAYER
    assert "generator.runner.packaged.run" in loaded
    assert "generator.runner.server" not in loaded
    assert path == "False None\n"
