"""What a job left in the engine ends with the job, however that ended."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from ci_service import Service, make_project
from waiting import wait_until

from generator.service.jobs.leftovers import LABEL
from generator.service.store.job_folders import DataFolder

pytestmark = [pytest.mark.engine, pytest.mark.slow]


@pytest.fixture
def service(base_image: str, tmp_path: Path) -> Iterator[Service]:
    running = Service(make_project(tmp_path / "ada" / "toy"), tmp_path / "data").start()
    yield running
    if running.process and running.process.poll() is None:
        running.stop()


def _containers(service: Service) -> list[str]:
    label = f"label={LABEL}={DataFolder(service.data).label(1)}"
    done = subprocess.run(["docker", "ps", "-aq", "--filter", label], capture_output=True, text=True, check=True)
    return done.stdout.split()


def _started(service: Service, base_image: str, before: str = "") -> tuple[int, str]:
    """A pipeline whose first job waits for a container; the pipeline and the container."""
    label = f"{LABEL}=$PACKMILL_CONTAINER_LABEL"
    number = service.trigger(script=f"{before} docker run --rm --label {label} {base_image} sleep 600")
    return number, _one_container(service)


def _one_container(service: Service) -> str:
    return wait_until(lambda: _containers(service), message="the job starts a container")[0]


def _kill(service: Service, *names: str) -> None:
    """Kill the shepherd (``pid``) or the script (``group``) of the first job."""
    for name in names:
        number = int((service.data / "jobs" / "1" / name).read_text())
        (os.killpg if name == "group" else os.kill)(number, signal.SIGKILL)


def _wait_for_the_end(service: Service, container: str) -> None:
    wait_until(lambda: container not in _containers(service), message="the container is gone")


def test_the_container_of_a_killed_script_ends(service: Service, base_image: str) -> None:
    number, container = _started(service, base_image)
    _kill(service, "group")

    assert service.wait(number) == "failed"
    _wait_for_the_end(service, container)
    assert not (service.data / "tmp" / "1").exists()


@pytest.mark.parametrize("service_too", [False, True])
def test_what_a_killed_shepherd_left_is_removed(service: Service, base_image: str, service_too: bool) -> None:
    """Its containers, and its secrets: they are gone before the job runs again."""
    secret = "$TMPDIR/packmill-git-1/askpass"
    before = f"cat {secret}; mkdir -p $TMPDIR/packmill-git-1; echo secret-of-the-first > {secret};"
    number, container = _started(service, base_image, before)
    if service_too:
        service.stop(signal.SIGKILL)
    _kill(service, "pid", "group")
    if service_too:
        service.start()

    _wait_for_the_end(service, container)
    _one_container(service)
    service.ask("POST", f"/pipelines/{number}/cancel")
    assert service.wait(number) == "canceled"
    trace = service.trace(int(service.jobs(number)["one"]["id"]))
    assert "running it again" in trace
    assert "secret-of-the-first\n" not in trace
    assert _containers(service) == []


def test_a_job_ends_as_it_did_where_no_engine_answers(tmp_path: Path) -> None:
    service = Service(make_project(tmp_path / "ada" / "toy"), tmp_path / "data")
    service.environment["DOCKER_HOST"] = "unix:///no/such.sock"
    service.start()
    try:
        assert service.wait(service.trigger(script="true")) == "success"
    finally:
        service.stop()
