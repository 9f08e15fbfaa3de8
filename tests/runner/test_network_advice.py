"""A process that wants the network in a run without one fails with advice that helps, and only then."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from support import Folder

pytestmark = pytest.mark.slow

_ISOLATED = ("unshare", "--map-root-user", "--net")
_ADVICE = (
    "this run has no network; if the process needs it, declare so: 'packmill build --network' (CWL's NetworkAccess)"
)


@pytest.fixture
def here(tmp_path: Path) -> Folder:
    if subprocess.run([*_ISOLATED, "true"], capture_output=True, check=False).returncode:
        pytest.skip("no network namespace can be made")
    return Folder(tmp_path)


def _run(here: Folder, *before: str) -> str:
    words = ("run", "--process", "in.ipynb", "--repository", ".", "--output", "o")
    command = [*before, sys.executable, "-m", "generator.runner", *words]
    variables = {name: value for name, value in os.environ.items() if name != "PYTEST_CURRENT_TEST"}
    done = subprocess.run(  # in a test, ipykernel would not capture what programs print
        command,
        cwd=here.folder,
        env=variables,
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    assert done.returncode == 1, done.stderr
    return done.stderr


@pytest.mark.parametrize(
    "cell",
    [
        "import urllib.request\nurllib.request.urlopen('http://data.example.org/x')",
        "import requests\nrequests.get('https://data.example.org/x')",
        "import socket\nsocket.create_connection(('192.0.2.1', 80))",
        "import subprocess\nsubprocess.run(['git', 'ls-remote', 'https://data.example.org/x'], check=True)",
        "import socket\ntry: socket.getaddrinfo('data.example.org', 80)\nexcept OSError: raise ValueError('no data')",
    ],
    ids=["urllib", "requests", "socket", "program", "cause"],
)
def test_a_name_that_cannot_be_resolved_without_a_network(cell: str, here: Folder) -> None:
    here.write(cell)

    assert _ADVICE in _run(here, *_ISOLATED)


def _run_script(here: Folder, script: str) -> str:
    (here.folder / "run.sh").write_text(script)
    command = [sys.executable, "-m", "generator.runner", "run", "--process", "run.sh", "--repository", "."]
    done = subprocess.run(
        [*_ISOLATED, *command, "--output", "o"], cwd=here.folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1, done.stderr
    return done.stderr


@pytest.mark.parametrize(
    "script", ["curl -sSf https://data.example.org/x", "set -e\ngit clone git@example.org:a/b x", "wget $URL || exit 4"]
)
def test_a_failed_script_that_reaches_out_without_a_network(script: str, here: Folder) -> None:
    assert _ADVICE in _run_script(here, f"{script}\nexit 7\n")


@pytest.mark.parametrize("script", ["exit 3", "# see https://example.org/, no curl is needed\nfalse"])
def test_another_failed_script_without_a_network(script: str, here: Folder) -> None:
    assert "network" not in _run_script(here, script)


def test_another_failure_without_a_network(here: Folder) -> None:
    here.write("1 / 0")

    assert "network" not in _run(here, *_ISOLATED)


def test_the_same_failure_with_a_network(here: Folder) -> None:
    here.write("raise OSError('Temporary failure in name resolution')")

    assert "network" not in _run(here)
