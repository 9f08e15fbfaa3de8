"""The duration of a run whose machine's clock is set back meanwhile: never negative, in each record of the run."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from generator.runner.document import annotations
from generator.runner.document.annotations import Annotations
from generator.runner.results import result
from generator.runner.results.result import RunRecord
from generator.shared import contract

_LATER = datetime(2026, 6, 1, 12).astimezone()


class SetBack(datetime):
    """A clock that is an hour earlier each time that someone reads it."""

    reads = 0

    @classmethod
    def now(cls, tz: Any = None) -> datetime:
        cls.reads += 1
        return _LATER.astimezone(tz) - cls.reads * timedelta(hours=1)


class NoDocument:
    """A notebook with one cell."""

    def __init__(self) -> None:
        self.metadata: dict[str, Any] = {"papermill": {}}
        self.only: dict[str, Any] = {"metadata": {}, "cell_type": "code"}

    def __len__(self) -> int:
        return 1

    def cell(self, _index: int) -> dict[str, Any]:
        return self.only


def test_the_record_of_a_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(result, "datetime", SetBack)
    record = RunRecord(process="process.ipynb")
    record.write(tmp_path, None)

    found = json.loads((tmp_path / contract.result_file).read_text())
    assert 0 <= found["duration"] < 60
    assert found["started"] <= found["ended"]


def test_the_metadata_of_a_notebook(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(annotations, "datetime", SetBack)
    document = NoDocument()
    notes = Annotations(document)  # type: ignore[arg-type]
    notes.start_cell(document.only)
    notes.finish_cell(document.only, failed=False)
    notes.finish_run()

    for found in (document.metadata["papermill"], document.only["metadata"]["papermill"]):
        assert 0 <= found["duration"] < 60
        assert found["start_time"] <= found["end_time"]
