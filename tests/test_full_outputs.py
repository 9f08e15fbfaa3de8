"""What commands print goes to a full disk, such as ``> report.json``: the exit code of a full disk, no traceback."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from support import here, write_notebook

_COMMANDS = {
    "packmill": ("generator", 23),
    "packmill-runner": ("generator.runner", 10),
}


@pytest.mark.parametrize(
    ("program", "words"),
    [
        ("packmill", ("--help",)),
        ("packmill", ("--version",)),
        ("packmill", ("inspect", "{folder}")),
        ("packmill", ("inspect", "{folder}", "--json")),
        ("packmill", ("inspect", "{folder}/none", "--json")),
        ("packmill-runner", ("--help",)),
        ("packmill-runner", ("--version",)),
        ("packmill-runner", ("run", "--help-notebook", "{folder}/process.ipynb")),
    ],
    ids=str,
)
def test_an_output_on_a_full_disk(program: str, words: tuple[str, ...], tmp_path: Path) -> None:
    write_notebook(tmp_path / "process.ipynb", "n = 1")
    module, code = _COMMANDS[program]
    command = [sys.executable, "-m", module, *(word.format(folder=tmp_path) for word in words)]

    with open("/dev/full", "w") as full:
        done = subprocess.run(command, cwd=here.parent, stdout=full, stderr=subprocess.PIPE, text=True, check=False)

    assert done.returncode == code, done.stderr
    assert "No space left on device" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("-m", "generator", "inspect", "{folder}"), 0),
        (("-m", "generator", "inspect", "{folder}/none"), 10),
        (("-m", "generator", "inspect", "--none"), 2),
        (("query.py", "--url", "http://127.0.0.1:9", "status", "5"), 2),
    ],
    ids=str,
)
def test_a_log_on_a_full_disk_changes_no_exit_code(words: tuple[str, ...], code: int, tmp_path: Path) -> None:
    """What cannot be written to stderr is lost; a run of hours must not end for its log."""
    write_notebook(tmp_path / "process.ipynb", "n = 1")
    command = [sys.executable, *(word.format(folder=tmp_path) for word in words)]

    with open("/dev/full", "w") as full:
        done = subprocess.run(command, cwd=here.parent, stdout=subprocess.PIPE, stderr=full, text=True, check=False)

    assert done.returncode == code
    assert bool(done.stdout) == (code == 0)
