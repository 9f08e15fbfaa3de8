"""Results that a power loss took: the first server after a start of the machine compares them with their records."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from generator.runner.server.operation.power_loss import check_after_power_loss
from generator.runner.server.runs.folder import run_folder
from generator.runner.server.runs.model import NewRun, Outcome, Run, RunState, new_run_id
from generator.runner.server.runs.sqlite import SqliteRunStore
from generator.shared.file_digest import file_sha256


@pytest.fixture
def check(tmp_path: Path) -> Callable[[str], tuple[Run, list[str]]]:
    """Store a run with results, lose some of them, start a server; return the run and what the server logs."""
    store = SqliteRunStore(tmp_path)
    run = store.add(NewRun(process="a.ipynb"), run_id=new_run_id(), queue_limit=1)
    store.claim("w")
    store.finish(run.id, Outcome(state=RunState.SUCCEEDED, status_code=200))
    output = run_folder(tmp_path, run.id).output
    output.mkdir(parents=True)
    (output / "out.txt").write_text("whole")
    outputs = [{"path": "out.txt", "size": 5, "sha256": file_sha256(output / "out.txt")}]
    (output / "result.json").write_text(json.dumps({"state": "succeeded", "outputs": outputs}))
    check_after_power_loss(store, tmp_path, print, boot=lambda: "first")

    def begin(boot: str, **left: str | None) -> tuple[Run, list[str]]:
        for name, text in left.items():
            path = output / name.replace("_", ".")
            path.unlink() if text is None else path.write_text(text)
        logged: list[str] = []
        check_after_power_loss(store, tmp_path, logged.append, boot=lambda: boot)
        return store.get(run.id), logged

    return begin


def test_whole_results_stay(check: Callable[..., tuple[Run, list[str]]]) -> None:
    run, logged = check("second")

    assert (run.state, logged) == (RunState.SUCCEEDED, [])


@pytest.mark.parametrize("left", [{"out_txt": ""}, {"out_txt": "other"}, {"out_txt": None}, {"result_json": ""}])
def test_a_run_without_its_results_counts_as_failed(
    check: Callable[..., tuple[Run, list[str]]], left: dict[str, str | None]
) -> None:
    run, (line,) = check("second", **left)

    assert (run.state, run.reason, run.exit_code) == (RunState.FAILED, "interrupted", 137)
    assert line == f"run {run.id}: the machine stopped before the results were on its disk; it counts as failed"


def test_a_damaged_memory_of_the_last_start_has_results_compared(
    check: Callable[..., tuple[Run, list[str]]], tmp_path: Path
) -> None:
    (tmp_path / "boot").write_bytes(b"\xff")

    assert check("second", out_txt="")[0].state is RunState.FAILED


def test_results_are_compared_once_after_each_start_of_the_machine(
    check: Callable[..., tuple[Run, list[str]]],
) -> None:
    run, _ = check("first", out_txt="changed")

    assert run.state is RunState.SUCCEEDED
