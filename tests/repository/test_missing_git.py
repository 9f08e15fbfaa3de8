"""A machine on which git is not installed, or cannot be started."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from forked_programs import PACKMILL, run
from support import Finished, commit_all, here, write_notebook

_MISSING = "git: not installed, or not on PATH; install it, and try again"


@pytest.fixture
def without_git(tmp_path: Path) -> dict[str, str]:
    """The variables of a machine without programs."""
    (tmp_path / "no-programs").mkdir()
    return {**os.environ, "PATH": str(tmp_path / "no-programs")}


@pytest.fixture
def folder(repository: Path) -> Path:
    """A repository with a notebook."""
    write_notebook(repository / "process.ipynb", "n = 1  # type: int")
    commit_all(repository)
    return repository


@pytest.mark.parametrize(
    ("words", "refresh"),
    [
        (("build", "FOLDER", "--no-image"), "raise"),
        (("build", "FOLDER", "--no-image"), "quiet"),
        (("inspect", "FOLDER", "--checkout", "main"), "raise"),
        (("inspect", "FOLDER/.git"), "raise"),
    ],
)
def test_is_one_error_of_what_needs_git(
    words: tuple[str, ...], refresh: str, folder: Path, without_git: dict[str, str], tmp_path: Path
) -> None:
    """With GIT_PYTHON_REFRESH=quiet, GitPython can be imported without git."""
    named = [word.replace("FOLDER", str(folder)) for word in words]

    done = _packmill(*named, "--json", variables={**without_git, "GIT_PYTHON_REFRESH": refresh}, at=tmp_path)

    assert (done.code, done.err) == (10, f"packmill: {_MISSING}\n")
    assert done.json()["error"]["reason"] == _MISSING


def test_ends_a_lookup_with_the_reason(folder: Path, without_git: dict[str, str], tmp_path: Path) -> None:
    done = _packmill("ci", "look-up", variables={**without_git, "repository": str(folder)}, at=tmp_path)

    assert (done.code, done.err) == (10, f"packmill: {_MISSING} (exit code 10: repository or checkout)\n")


def test_does_not_matter_to_the_inspection_of_a_folder(
    folder: Path, without_git: dict[str, str], tmp_path: Path
) -> None:
    done = _packmill("inspect", folder, "--json", variables=without_git, at=tmp_path)

    assert (done.code, done.err) == (0, "")
    assert [one["name"] for one in done.json()["inputs"]] == ["n"]


def test_is_an_error_of_a_function_until_git_is_installed(
    folder: Path, without_git: dict[str, str], tmp_path: Path
) -> None:
    code = f"""
import os, packmill
try:
    packmill.inspect({str(folder)!r}, checkout="main")
except packmill.PackmillError as error:
    print(error.exit_code, error)
os.environ["PATH"] = {os.environ["PATH"]!r}
print(packmill.inspect({str(folder)!r}, checkout="main")["process"])
"""
    done = _python(code, variables=without_git, at=tmp_path)

    assert done.out.splitlines() == [f"10 {_MISSING}", "process.ipynb"], done.err


def test_git_that_cannot_be_started_for_a_moment_is_one_error(folder: Path, tmp_path: Path) -> None:
    code = f"""
import errno, os, subprocess, sys
from generator.cli import main

class Refused(subprocess.Popen):
    def __init__(self, *_, **__):
        raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))
    __del__ = lambda _self: None

subprocess.Popen = Refused
sys.exit(main(["build", {str(folder)!r}, "--no-image"]))
"""
    done = _python(code, variables=dict(os.environ), at=tmp_path)

    reason = "[Errno 11] Resource temporarily unavailable"
    assert (done.code, done.err) == (10, f"packmill: git: does not start; try again later ({reason})\n")


def _packmill(*words: object, variables: dict[str, str], at: Path) -> Finished:
    done = run(PACKMILL, *words, fresh=True, env={**variables, "PYTHONPATH": str(here.parent)}, cwd=at)
    return Finished(done.returncode, done.stdout, done.stderr)


def _python(code: str, *, variables: dict[str, str], at: Path) -> Finished:
    own = {**variables, "PYTHONPATH": str(here.parent)}
    done = subprocess.run([sys.executable, "-c", code], env=own, cwd=at, capture_output=True, text=True, check=False)
    return Finished(done.returncode, done.stdout, done.stderr)
