"""What a person gets at the end of a run on a terminal, and a program that reads its output."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from generator.cli import main
from generator.package.summary import summarize


def _file(path: Path, content: str = "x") -> dict[str, Any]:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    return {"class": "File", "path": str(path), "location": path.as_uri(), "size": path.stat().st_size}


@pytest.fixture
def outputs(tmp_path: Path) -> dict[str, Any]:
    """The output object of a run: its files are listed on their own and in the folder."""
    top = tmp_path / "results" / "output"
    scraps = {"rmse": 0.25, "name": "a\x1b[31mb", "series": list(range(100))}
    notebook, table = _file(top / "process.ipynb"), _file(top / "a table.csv")
    files = [notebook, table, _file(top / "scraps.json", json.dumps(scraps)), _file(top / "result.json")]
    files += [_file(top / f"map{number:02}.png") for number in range(11)]
    files += [_file(top / "process.html"), _file(top / "grid.nc")]
    return {
        "output_nb": notebook,
        "scraps": files[2],
        "scrap_files": [],
        "output_dir": {"class": "Directory", "path": str(top), "listing": files},
        "count": 3,
        "absent": None,
    }


def test_a_summary_has_the_notebook_pictures_tables_and_scraps(outputs: dict[str, Any], tmp_path: Path) -> None:
    lines = summarize(outputs, folder=tmp_path).splitlines()

    assert lines[:4] == [
        "Results:",
        "  notebook  results/output/process.ipynb (1 B)",
        "  page      results/output/process.html (1 B)",
        "  pictures  results/output/map00.png (1 B)",
    ]
    assert lines[11:13] == ["            and 3 more", "  tables    results/output/a table.csv (1 B)"]
    assert "  scraps    rmse = 0.25" in lines
    assert '            name = "a\\u001b[31mb"' in lines
    assert lines[-2:] == ["            count = 3", "  files     results/output/grid.nc (1 B)"]
    assert all(len(line) < 120 and line.isprintable() for line in lines)


def test_files_elsewhere_have_their_whole_path_and_odd_scraps_are_named(tmp_path: Path) -> None:
    scraps = _file(tmp_path / "scraps.json", "[" * 100_000)
    only_location = {"class": "File", "location": (tmp_path / "a b.csv").as_uri()}

    shown = summarize({"scraps": scraps, "table": only_location}, folder=tmp_path / "elsewhere")

    assert f"  scraps    {tmp_path}/scraps.json" in shown
    assert f"  tables    {tmp_path}/a b.csv (0 B)" in shown
    assert summarize({}, folder=tmp_path) == "The run has no results."


@pytest.mark.parametrize(
    ("is_terminal", "options", "is_json"), [(True, (), False), (True, ("--json",), True), (False, (), True)]
)
def test_a_terminal_gets_the_summary_and_a_pipe_the_output_object(
    outputs: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    *,
    is_terminal: bool,
    options: tuple[str, ...],
    is_json: bool,
) -> None:
    monkeypatch.setattr("generator.package.run.run_package", lambda *_, **__: outputs)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: is_terminal)

    assert main(["run", "package", *options]) == 0

    out = capsys.readouterr().out
    assert (json.loads(out) == outputs) if is_json else out.startswith("Results:\n")
