"""What a worker notes in the database while it executes a run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from generator.runner.server.runs.model import NewRun, Outcome, RunState, new_run_id
from generator.runner.server.runs.sqlite import SqliteRunStore
from generator.runner.server.workers import worker as worker_module
from generator.runner.server.workers.channel import channel_pair
from generator.runner.server.workers.settings import WorkerSettings
from generator.runner.server.workers.worker import Worker


def test_the_first_cell_is_noted_before_it_begins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run without a noted cell is repeated if its worker dies: waiting for files is none, the first cell is one."""
    store = SqliteRunStore(tmp_path)
    run_id = store.add(NewRun(process="a.ipynb"), run_id=new_run_id(), queue_limit=1).id
    noted = []

    def execute(*_: object, on_cell: Callable[[int, int], None]) -> Outcome:
        for cell in (0, 0, 1):
            on_cell(cell, 3)
            noted.append(store.get(run_id).cell)
        return Outcome(state=RunState.SUCCEEDED)

    monkeypatch.setattr(worker_module, "execute_run", execute)
    ours, theirs = channel_pair()
    with ours, theirs:
        worker = Worker(theirs, WorkerSettings(name="w", root=tmp_path, data=tmp_path), store)
        run = store.claim("w")
        assert run is not None
        worker._execute(run)
    store.close()

    assert noted == [0, 0, 1]
