"""The service as a container: the image that packmill builds, started as its compose file describes it."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import pytest
import requests
from local_images import service_base
from ports import free_port
from ruamel.yaml import YAML
from support import Finished, commit_all, here, write_notebook
from waiting import wait_until

from generator.cli import main

pytestmark = [pytest.mark.engine, pytest.mark.slow]


def docker(*words: str, check: bool = True) -> str:
    done = subprocess.run(["docker", *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0 or not check, done.stderr
    return done.stdout.strip()


@pytest.fixture(scope="module")
def image(base_image: str) -> Iterator[str]:
    """The image, under a name of these tests; its layers are cached from run to run."""
    service_base()
    name, printed = f"localhost/packmill-service:test-{os.getpid()}", io.StringIO()
    with redirect_stdout(printed):
        assert main(["service", "image", "--image", name]) == 0
    assert printed.getvalue().strip() == name
    yield name
    docker("rmi", name)


def by_hand(service: dict[str, Any], secrets: Path, *more: str) -> list[str]:
    """The options of ``docker run`` for a service of a compose file, whose keys the test lists completely."""
    known = {"image", "command", "volumes", "environment", "read_only", "cap_drop", "security_opt", "group_add"}
    known |= {"tmpfs", "ports", "secrets", "depends_on", "restart", "stop_grace_period", "pull_policy"}
    assert set(service) == known
    words = ["--read-only", f"--restart={service['restart']}"]
    words += [f"--cap-drop={one}" for one in service["cap_drop"]]
    words += [f"--security-opt={one}" for one in service["security_opt"]]
    words += [f"--group-add={one}" for one in service["group_add"]]
    words += [f"--tmpfs={one}" for one in service["tmpfs"]]
    words += [f"--volume={one}" for one in service["volumes"]]
    words += [f"--volume={secrets}/{one}:/run/secrets/{one}:ro" for one in service["secrets"]]
    words += [f"--publish={one}" for one in service["ports"]]
    words += [f"--env={name}={value}" for name, value in service["environment"].items()]
    return [*words, *more, service["image"], *service["command"]]


def test_the_image_packages_a_repository_and_keeps_its_data_over_a_restart(
    image: str, place: Path, packmill: Callable[..., Finished]
) -> None:
    files, data, port = place / "files", place / "service-data", free_port()
    repository = place / "service" / "trees"
    write_notebook(repository / "process.ipynb", "n = 1  # type: int", "from packmill import glue\nglue('n', n)")
    commit_all(repository)
    made = packmill(*("service", "compose", "--output", files, "--data", data, "--port", str(port), "--image", image))
    assert made.code == 0, made.err
    services = YAML(typ="safe").load(files / "compose.yml")["services"]
    folder = services["folder"]
    docker("run", "--rm", "--user=0:0", "--network=none", "--read-only", f"--volume={folder['volumes'][0]}",
           f"--entrypoint={folder['entrypoint'][0]}", image, *folder["entrypoint"][1:])  # fmt: skip
    own = by_hand(services["packmill"], files / "secrets", f"--volume={repository}:{repository}:ro")
    container = docker("run", "--detach", *own, "--local-repositories")
    try:
        address = f"http://127.0.0.1:{port}"
        tokens = {one: (files / "secrets" / one).read_text() for one in ("trigger_token", "access_token")}
        query = _Query(address, tokens)
        wait_until(lambda: _is_healthy(address), seconds=60, message="the service in the container answers")
        query("trigger", "--repository", str(repository))
        wait_until(lambda: query.jobs().get("build") == "success", seconds=300, message="the package is built")
        docker("restart", "--time=20", container)
        wait_until(lambda: _is_healthy(address), seconds=60, message="the restarted service answers")
        wait_until(lambda: query.jobs().get("check") in ("success", "failed"), seconds=300, message="it was checked")

        assert query.jobs() == {"build": "success", "check": "success"}, docker("logs", container)
        assert "packages/service/trees/main" in query("log", "1")
        state = json.loads(docker("inspect", container))[0]
        assert state["Config"]["User"] == "10001:10001"
        docker("exec", container, *state["Config"]["Healthcheck"]["Test"][1:])
        assert not any(token in json.dumps(state) + docker("logs", container) for token in tokens.values())
        assert "warning" not in docker("logs", container)
    finally:
        docker("rm", "--force", "--volumes", container)
        docker("run", "--rm", "--user=0:0", f"--volume={data}:{data}", "--entrypoint=find", image, str(data), "-delete",
               check=False)  # fmt: skip


def test_a_data_folder_that_containers_do_not_see_is_reported_at_the_start(image: str) -> None:
    """An anonymous volume has another path on the engine's machine, so runs could not bind folders of jobs."""
    socket = Path("/var/run/docker.sock")
    group = f"--group-add={socket.stat().st_gid}"
    container = docker("run", "--detach", group, f"--volume={socket}:{socket}", image)
    try:
        message = "/srv/packmill: the engine's containers do not see this folder"
        wait_until(lambda: message in docker("logs", container), seconds=60, message="the service warns")
    finally:
        docker("rm", "--force", "--volumes", container)


def _is_healthy(address: str) -> bool:
    try:
        return requests.get(f"{address}/-/health", timeout=10).text == "GitLab OK"
    except requests.RequestException:
        return False


class _Query:
    """``query.py`` with the address and the tokens of the service."""

    def __init__(self, address: str, tokens: dict[str, str]) -> None:
        self._environment = {**os.environ, "PACKMILL_CI_URL": address}
        self._environment |= {f"PACKMILL_CI_{name.upper()}": value for name, value in tokens.items()}

    def __call__(self, *words: str) -> str:
        command = [sys.executable, str(here.parent / "query.py"), *words]
        done = subprocess.run(command, env=self._environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def jobs(self) -> dict[str, str]:
        """The status of the latest job of each name."""
        listed = json.loads(self("jobs", "--pipeline", "1", "--json"))
        return {job["name"]: job["status"] for job in sorted(listed, key=lambda job: int(job["id"]))}
