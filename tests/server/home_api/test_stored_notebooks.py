"""How an executed notebook is stored in a home: what it replaces, and what happens if it cannot be stored."""

from __future__ import annotations

import errno
import json
import os
from datetime import datetime
from pathlib import Path

import pytest
from notebook_server import NotebookServer
from support import write_notebook

from generator.runner.server.home_api.destinations import _check_writable
from generator.runner.server.problems import ProblemError
from generator.runner.server.runs.folder import RunFolder
from generator.runner.server.runs.model import Outcome, RunState
from generator.runner.server.storage import NotebookStorage, dated_name, has_dated_name
from generator.runner.server.workers.delivery import deliver, is_executed

_EXECUTED = json.dumps({"metadata": {"papermill": {"end_time": "2026-11-28T12:00:00"}}})


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    run = RunFolder(tmp_path / "0a1b")
    run.output.mkdir(parents=True)
    (run.output / "a.ipynb").write_text(_EXECUTED)
    run.update_result(notebook="a.ipynb")
    return run


def store(folder: RunFolder, home: Path, *, replaces: bool) -> Outcome:
    return deliver(
        Outcome(state=RunState.SUCCEEDED), folder, "b/c.ipynb", NotebookStorage(root=home), replaces=replaces
    )


@pytest.mark.parametrize(
    ("content", "replaces", "name"),
    [
        (_EXECUTED, True, "b/c.ipynb"),
        (_EXECUTED, False, "b/c_2.ipynb"),
        ('{"metadata": {}}', True, "b/c_2.ipynb"),
        ('{"metadata": {"papermill": {"end_time": null}}}', True, "b/c_2.ipynb"),
        ("[1]", True, "b/c_2.ipynb"),
        ("[" * 100_000, True, "b/c_2.ipynb"),
        ("no JSON", True, "b/c_2.ipynb"),
    ],
)
def test_only_an_executed_notebook_is_replaced(
    folder: RunFolder, tmp_path: Path, content: str, replaces: bool, name: str
) -> None:
    home = tmp_path / "home"
    (home / "b").mkdir(parents=True)
    (home / "b" / "c.ipynb").write_text(content)
    store(folder, home, replaces=replaces)

    assert folder.read_result()["delivered"] == name
    assert (home / name).read_text() == _EXECUTED
    assert name == "b/c.ipynb" or (home / "b" / "c.ipynb").read_text() == content
    assert not list(home.rglob("*.part"))


def test_neither_links_nor_large_files_count_as_executed(tmp_path: Path) -> None:
    (tmp_path / "executed.ipynb").write_text(_EXECUTED)
    (tmp_path / "link.ipynb").symlink_to("executed.ipynb")
    with (tmp_path / "large.ipynb").open("wb") as file:
        file.truncate(1 << 40)
    os.mkfifo(tmp_path / "pipe.ipynb")

    assert is_executed(tmp_path / "executed.ipynb")
    assert not any(is_executed(tmp_path / f"{name}.ipynb") for name in ("link", "large", "pipe", "missing"))


@pytest.mark.parametrize(
    ("number", "reason"), [(errno.EACCES, "staging-failed"), (errno.EDQUOT, "disk-full"), (errno.ENOSPC, "disk-full")]
)
def test_a_run_whose_notebook_cannot_be_stored_has_failed(
    folder: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, reason: str
) -> None:
    def fail(_source: Path, target: Path) -> None:
        raise OSError(number, os.strerror(number), str(target))

    monkeypatch.setattr("shutil.copyfile", fail)
    outcome = store(folder, tmp_path / "home", replaces=False)

    assert (outcome.state, outcome.reason) == (RunState.FAILED, reason)
    assert outcome.message == f"the executed notebook was not stored: {tmp_path / 'home' / 'b'}: {os.strerror(number)}"


def test_a_folder_that_is_not_writable_is_reported_before_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.access", lambda path, _mode: path != tmp_path)

    with pytest.raises(ProblemError, match=f"403: {tmp_path}: not writable"):
        _check_writable(tmp_path / "missing" / "folder")


def test_long_names_of_notebooks_are_cut(served: NotebookServer, home: Path) -> None:
    write_notebook(home / "long" / f"{'é' * 120}.ipynb", "x: int = 1", "print(x)")
    body = served.ask("POST", "/execute", json={"notebook_name": "é" * 120}).json()

    assert body["status"] == "success", body
    assert Path(body["output_notebook"]).is_file()
    assert has_dated_name(dated_name("é" * 120, datetime(2026, 11, 28)))  # noqa: DTZ001
