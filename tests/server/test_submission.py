"""Submissions to a database that fails."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, NoReturn, cast

import pytest

from generator.runner.server.context import Context, Limits
from generator.runner.server.runs.folder import run_folder
from generator.runner.server.runs.model import new_run_id
from generator.runner.server.runs.store import StoreUnavailableError
from generator.runner.server.submission import Submission, _store


class FailingStore:
    def __init__(self, *, blocking: bool) -> None:
        self.blocking = blocking

    def add(self, *_: object, **__: object) -> NoReturn:
        raise StoreUnavailableError


@pytest.mark.parametrize("blocking", [True, False])
def test_a_run_keeps_its_values_if_a_network_may_have_lost_the_answer(tmp_path: Path, blocking: bool) -> None:
    """The row may be stored, and a worker may take the run; if not, its folder is removed as one without a row."""
    run_id = new_run_id()
    context = SimpleNamespace(
        store=FailingStore(blocking=blocking), limits=Limits(), folder=lambda one: run_folder(tmp_path, one)
    )
    submission = Submission(notebook=cast("Any", SimpleNamespace(path="a.ipynb")), inputs={}, run_id=run_id)

    with pytest.raises(StoreUnavailableError):
        _store(cast("Context", context), submission, cast("Any", SimpleNamespace(files={}, inputs={"x": 1})))

    assert run_folder(tmp_path, run_id).inputs_file.exists() == blocking
