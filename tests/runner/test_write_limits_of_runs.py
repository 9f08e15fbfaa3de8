"""What a run may write, by the options of ``packmill-runner run --process``."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from support import write_notebook

from generator.runner.packaged import process_limit
from generator.runner.packaged.process_limit import advise_on_processes


@pytest.mark.parametrize(
    ("code", "limit"),
    [
        ("open('a', 'wb').truncate(3 << 20)\nimport time\ntime.sleep(600)", "more than 2 MiB"),
        (
            "import os\nos.makedirs(here := os.environ['MPLCONFIGDIR'])\nopen(here + '/a', 'wb').truncate(3 << 20)",
            "more than 2 MiB",
        ),
        ("for n in range(60):\n    open(f'{n}.txt', 'w').close()", "more than 50 files and folders"),
    ],
    ids=["while it runs", "at its end", "files"],
)
def test_a_run_that_writes_too_much_ends_with_the_limit(code: str, limit: str, tmp_path: Path) -> None:
    write_notebook(tmp_path / "repository" / "process.ipynb", "n = 1", code)
    words = ("run", "--process", "process.ipynb", "--repository", str(tmp_path / "repository"))
    options = ("--output", str(tmp_path / "output"), "--max-output", "2MiB", "--max-files", "50")
    command = [sys.executable, "-m", "generator.runner", *words, *options]

    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)

    result = json.loads((tmp_path / "output" / "result.json").read_text())
    assert (done.returncode, result["reason"], result["exit_code"]) == (14, "output-limit", 14), done.stderr
    assert limit in done.stderr
    assert sorted(path.name for path in (tmp_path / "output").iterdir()) == ["process.ipynb", "result.json"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cwl.output.json", "output", "repository"]


@pytest.mark.parametrize(
    ("message", "reached", "advised"),
    [
        ("BlockingIOError: [Errno 11] Resource temporarily unavailable", 3, True),
        ("RuntimeError: can't start new thread", 1, True),
        ("RuntimeError: can't start new thread", 0, False),
        ("ValueError: no", 3, False),
    ],
)
def test_a_failure_at_the_limit_of_processes_names_it(
    message: str, reached: int, advised: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "pids.events").write_text(f"max {reached}\n")
    (tmp_path / "pids.max").write_text("64\n")
    monkeypatch.setattr(process_limit, "_FOLDERS", (tmp_path,))

    advice = advise_on_processes(message)

    assert ("limit of 64 processes and threads" in advice, "PACKMILL_RUN_PROCESSES" in advice) == (advised, advised)
