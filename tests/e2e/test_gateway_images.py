"""An image as a Kernel Gateway: ``docker run -p 8888:8888 IMAGE packmill-runner gateway``, in both modes."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable, Iterator

import pytest
import requests
from kernel_client import KernelClient
from local_images import remove
from ports import free_port
from support import commit_all, write_notebook
from waiting import wait_until

from generator.cli import main

pytestmark = [pytest.mark.engine, pytest.mark.slow, pytest.mark.group("gateway images")]
_IMAGE = "tests.gateway:x"
_LARGEST_LAYER = 12_000_000
_WEBSOCKET = ("--api", "jupyter-websocket")
_RESTRICTED = ("--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges", "--user=4242:0", "--tmpfs=/tmp")


def docker(*words: str) -> str:
    done = subprocess.run(["docker", *words], capture_output=True, text=True, check=True)
    return done.stdout + done.stderr


class Gateway:
    """A container of the image that is a gateway."""

    def __init__(self, *options: str, command: tuple[str, ...]) -> None:
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        publish = f"--publish=127.0.0.1:{port}:8888"
        self.id = docker("run", "--detach", publish, *options, _IMAGE, "packmill-runner", "gateway", *command).strip()
        wait_until(self._answers, message="the gateway answers")

    def _answers(self) -> bool:
        try:
            requests.get(self.url, timeout=60)
        except requests.ConnectionError:
            assert docker("inspect", "--format={{.State.Running}}", self.id).strip() == "true", self.log
            return False
        return True

    @property
    def log(self) -> str:
        return docker("logs", self.id)

    def stop(self) -> int:
        docker("stop", self.id)
        return int(docker("wait", self.id))


@pytest.fixture(scope="module", autouse=True)
def image(base_image: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """An image with the Kernel Gateway, a notebook with a handler, and a file."""
    repository = tmp_path_factory.mktemp("gateway") / "tests" / "gateway"
    write_notebook(repository / "process.ipynb", "n = 1")
    write_notebook(
        repository / "hello.ipynb",
        "import json",
        "# GET /hello/:name\nprint('hello', json.loads(REQUEST)['path']['name'], open('data.txt').read())",
        tags=(),
    )
    (repository / "data.txt").write_text("from the repository")
    commit_all(repository)
    output = str(repository.parent.parent / "packages")
    assert main(["build", str(repository), "--output", output, "--image", _IMAGE, "--kernel-gateway"]) == 0
    yield
    remove(_IMAGE)


@pytest.fixture
def run() -> Iterator[Callable[..., Gateway]]:
    """Starts containers, which end with the test."""
    started: list[Gateway] = []

    def begin(*options: str, command: tuple[str, ...]) -> Gateway:
        started.append(Gateway(*options, command=command))
        return started[-1]

    yield begin
    for one in started:
        docker("rm", "--force", "--volumes", one.id)


@pytest.mark.parametrize("options", [(), _RESTRICTED], ids=("plain", "restricted"))
def test_an_image_answers_requests_by_cells(options: tuple[str, ...], run: Callable[..., Gateway]) -> None:
    gateway = run("--env=KG_AUTH_TOKEN=T", *options, command=("hello.ipynb",))

    assert requests.get(f"{gateway.url}/hello/Ada?token=T", timeout=60).text == "hello Ada from the repository\n"
    assert requests.get(f"{gateway.url}/hello/Ada", timeout=60).status_code == 401
    assert gateway.stop() == 0


@pytest.mark.parametrize("options", [(), _RESTRICTED], ids=("plain", "restricted"))
def test_an_image_gives_kernels_to_clients(options: tuple[str, ...], run: Callable[..., Gateway]) -> None:
    gateway = run(*options, command=_WEBSOCKET)
    shown = re.search(r"^token \(admin\): (\S+)$", gateway.log, re.MULTILINE)
    assert shown, gateway.log
    client = KernelClient(gateway.url, shown[1])

    with client.channels(client.start()) as channels:
        seen = channels.run("import os\nopen(os.environ['HOME'] + '/x', 'w')\nprint(open('data.txt').read())").text

    assert seen == "from the repository\n"
    assert KernelClient(gateway.url).ask("GET", "/api/kernelspecs")[0] == 401
    assert gateway.stop() == 0


def test_a_container_without_a_writable_folder_names_what_to_mount() -> None:
    command = ("run", "--rm", *_RESTRICTED[:-1], _IMAGE, "packmill-runner", "gateway", "hello.ipynb")
    failed = subprocess.run(["docker", *command], capture_output=True, text=True, check=False)

    assert failed.returncode == 2
    assert failed.stderr == (
        "packmill-runner: no folder for temporary files is writable; mount one, such as docker run --tmpfs /tmp\n"
    )


def test_the_kernel_gateway_is_a_small_layer() -> None:
    history = docker("history", "--human=false", "--no-trunc", "--format={{.Size}} {{.CreatedBy}}", _IMAGE)
    (size,) = (int(line.split()[0]) for line in history.splitlines() if "COPY /gateway/" in line)

    assert 1_000_000 < size < _LARGEST_LAYER
