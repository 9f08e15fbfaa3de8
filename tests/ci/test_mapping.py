"""The log of the stage ``map``: what pages and clients read from it."""

from __future__ import annotations

from pathlib import Path

import pytest

from generator.ci.mapping import JobCounter
from generator.package.map.journal import Ended
from generator.package.map.rows import PlannedRow
from generator.progress import Progress
from generator.service.pages.map_progress import MapProgress, read_progress


def _row(number: int) -> PlannedRow:
    return PlannedRow(number=number, values={}, given={})


def _failed(message: str) -> Ended:
    return Ended(state="failed", reason="cell-error", message=message)


def _read(text: str, tmp_path: Path, *files: str) -> MapProgress:
    (tmp_path / "trace").write_text(text)
    return read_progress(tmp_path / "trace", dict.fromkeys(files, 1))


def test_pages_read_what_the_stage_writes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    counter = JobCounter(1000, 400, progress=Progress())
    started = _read(capsys.readouterr().err, tmp_path)
    for number in range(1, 31):
        counter.note(_row(number), Ended(state="succeeded"))
    counter.note(_row(77), _failed("cell 3 failed: ValueError:\n    1 of 1 rows done\x1b[2J"))
    counter._shown = 0.0
    counter.show(running=2)
    shown = _read(capsys.readouterr().err, tmp_path, "results/rows/0077/a.ipynb", "results/rows/0077/b/c.ipynb")

    assert (started.total, started.done) == (1000, 400)
    assert (shown.done, shown.succeeded, shown.failed, shown.running) == (431, 430, 1, 2)
    assert shown.rate.endswith("rows/s")
    assert shown.left
    (failed,) = shown.rows
    assert failed.message == "cell 3 failed: ValueError: 1 of 1 rows done [2J"
    assert (failed.number, failed.reason, failed.notebook) == (77, "cell-error", "results/rows/0077/a.ipynb")


def test_a_log_lists_the_first_thousand_failures(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    counter = JobCounter(20_000, 0, progress=Progress())
    for number in range(20_000):
        counter.note(_row(number), _failed("x" * 10_000))
    counter.finish()
    text = capsys.readouterr().err

    assert len(text) < 400_000
    assert text.count(" failed: ") == 1000
    assert "further rows that fail are in results.csv alone" in text
    shown = _read(text, tmp_path)
    assert (shown.failed, len(shown.rows), shown.more) == (20_000, 100, 19_900)


@pytest.mark.parametrize("text", ["", "    1 of x rows done\n", "1 of 2 rows done\n", "\xff"])
def test_a_log_without_counts_has_no_rows(text: str, tmp_path: Path) -> None:
    assert _read(text, tmp_path) == MapProgress()
