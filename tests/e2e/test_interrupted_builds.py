"""Interruptions of `packmill build` in a real engine: nothing of the build goes on."""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from support import commit_all, write_notebook
from waiting import wait_until

pytestmark = [pytest.mark.engine, pytest.mark.slow]


def by_a_dockerfile(repository: Path, base_image: str, command: str) -> None:
    (repository / "Dockerfile").write_text(f"FROM {base_image}\nRUN {command}\n")


def by_a_package_that_is_resolved(repository: Path, base_image: str, command: str) -> None:
    (repository / "p").mkdir()
    (repository / "p/setup.py").write_text(f"import os\nos.system({command!r})\n")
    (repository / "requirements.txt").write_text("-e ./p\n")


def is_running(command: str) -> bool:
    """Check whether a process with this command line runs on the machine, in a container or not."""
    words = command.replace(" ", "\0").encode() + b"\0"
    return any(_command_line(process) == words for process in Path("/proc").glob("[0-9]*"))


def _command_line(process: Path) -> bytes:
    try:
        return (process / "cmdline").read_bytes()
    except OSError:  # it has ended
        return b""


@pytest.mark.parametrize(
    ("send", "number"),
    [
        pytest.param(os.kill, signal.SIGTERM, id="kill"),
        pytest.param(os.kill, signal.SIGHUP, id="terminal-closed"),
        pytest.param(os.killpg, signal.SIGINT, id="ctrl-c"),
    ],
)
@pytest.mark.parametrize("environment", [by_a_dockerfile, by_a_package_that_is_resolved])
def test_an_interrupted_build_ends_in_the_engine(
    base_image: str,
    tmp_path: Path,
    environment: Callable[[Path, str, str], None],
    send: Callable[[int, int], None],
    number: int,
) -> None:
    endless = f"sleep 600.{secrets.randbelow(10**9)}"
    repository, temporary = tmp_path / "interrupted", tmp_path / "temporary"
    temporary.mkdir()
    write_notebook(repository / "process.ipynb", "n = 1")
    environment(repository, base_image, endless)
    commit_all(repository)
    command = (sys.executable, "-m", "generator", "build", repository, "--output", tmp_path / "packages")
    with (tmp_path / "log").open("wb") as log:
        building = subprocess.Popen(
            command,
            env={**os.environ, "TMPDIR": str(temporary)},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        wait_until(lambda: is_running(endless), message="the build runs in the engine")

        send(building.pid, number)

        assert building.wait(timeout=120) == 130
    finally:
        with suppress(ProcessLookupError):
            os.killpg(building.pid, signal.SIGKILL)
    assert (tmp_path / "log").read_text().endswith("packmill: interrupted\n")
    wait_until(lambda: not is_running(endless), message="the build ends in the engine")
    assert not list(temporary.iterdir())
