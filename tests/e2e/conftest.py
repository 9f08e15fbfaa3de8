"""One engine and one base image for all tests that build: found, or started here and stopped by its own process id."""

from __future__ import annotations

import os
import shutil
import subprocess
import urllib.request
from collections.abc import Iterator
from urllib.error import HTTPError

import pytest
from filelock import FileLock
from local_images import another_base
from ports import free_port
from session import note_engine, session_folder
from waiting import wait_until

from generator.containers.setup import ensure_engine
from generator.image.base.find import ensure_base_image

_HTPASSWD = "ada:$2b$05$Bct36EX5ARsMFyPSmApvG.4L4dwH3lJw3UDnRmMH3t7OkdT72uOsO\n"
_CONFIG = """\
version: 0.1
storage: {{filesystem: {{rootdirectory: {folder}/images}}}}
http: {{addr: "127.0.0.1:{port}"}}
auth: {{htpasswd: {{realm: tests, path: {folder}/htpasswd}}}}
log: {{level: error}}
"""


@pytest.fixture(scope="session")
def engine() -> None:
    """A container engine that answers; the run's end stops it, if a worker started it."""
    with FileLock(session_folder() / "engine.lock"):
        note_engine(ensure_engine(docker_host=os.environ.get("DOCKER_HOST"), say=print))


@pytest.fixture(scope="session")
def base_image(engine: None) -> str:
    """The base image of environments without a Dockerfile."""
    with FileLock(session_folder() / "base-image.lock"):
        return ensure_base_image(os.environ.get("PACKMILL_BASE_IMAGE"), say=print)


@pytest.fixture
def own_base(base_image: str) -> Iterator[str]:
    """A base image that no other test builds on; what was built on it is removed at the end."""
    with another_base(base_image) as name:
        yield name


@pytest.fixture(scope="module")
def own_base_of_module(base_image: str) -> Iterator[str]:
    """A base image that only the tests of one module build on; what was built on it is removed at the end."""
    with another_base(base_image) as name:
        yield name


@pytest.fixture(scope="session")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A registry on loopback, stopped by its own process id."""
    if shutil.which("docker-registry") is None:
        pytest.skip("Debian's docker-registry is not installed")
    folder = tmp_path_factory.mktemp("registry")
    port = free_port()
    (folder / "htpasswd").write_text(_HTPASSWD)
    (folder / "config.yml").write_text(_CONFIG.format(folder=folder, port=port))
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(["docker-registry", "serve", str(folder / "config.yml")], stdout=log, stderr=log)
    try:
        wait_until(lambda: _asks_for_a_login(f"http://127.0.0.1:{port}/v2/"), message="the registry answers")
        yield f"127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()


def _asks_for_a_login(address: str) -> bool:
    try:
        urllib.request.urlopen(address).close()
    except HTTPError as answer:
        answer.close()
        return True
    except OSError:
        return False
    return True
