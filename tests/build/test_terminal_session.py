"""What newcomers see on their terminal: ``cases/terminal`` has their first session as text."""

from __future__ import annotations

import os
import pty
import re
import shlex
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from support import cases, commit_all, write_notebook

from generator.cli import main
from generator.shared.errors import RunError

_FAILED = """\
WARNING [job process] Skipping Docker software container '--cpus' limit
cell 1 of 2: year = 2020
cell 2 of 2: import pandas
packmill-runner: cell 2 failed: ZeroDivisionError: division by zero
  line 3: total / 0
WARNING [job process] exited with status: 1
WARNING [job process] completed permanentFail
"""
_SUCCEEDED = "cell 1 of 2: year = 2020\ncell 2 of 2: import pandas\nINFO [job process] completed success\n"


@contextmanager
def _terminal(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], str]]:
    """Make stdout and stderr one terminal; the function returns what is on its screen."""
    ours, theirs = pty.openpty()
    with monkeypatch.context() as patch, open(theirs, "w", encoding="utf-8", buffering=1) as out:
        patch.setenv("TERM", "xterm")
        patch.setattr("sys.stdout", out)
        patch.setattr("sys.stderr", out)
        text = bytearray()

        def read() -> str:
            os.set_blocking(ours, False)
            with suppress(BlockingIOError):
                while True:
                    text.extend(os.read(ours, 1 << 16))
            plain = re.sub(r"\x1b\[[0-9;]*m", "", text.decode())
            return "\n".join(line.rpartition("\x1b[2K")[2].strip("\r") for line in plain.split("\n"))

        yield read
    os.close(ours)


def _ends(log: str, outputs: dict[str, Any]) -> Callable[..., dict[str, Any]]:
    """Returns an engine's run with this log, as `generator.package.engines.execution.execute` has it."""
    from generator.package.engines.failure import FailureReason

    def execute(*_: Any, on_line: Callable[[str], None], **__: Any) -> dict[str, Any]:
        failure = FailureReason()
        for line in log.splitlines():
            failure.read(line)
            on_line(line)
        if not outputs:
            raise RunError(failure.reason())
        return outputs

    return execute


def test_a_first_session_reads_well(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, golden: Callable[[Path, str], None]
) -> None:
    monkeypatch.chdir(tmp_path)
    write_notebook(repository / "process.ipynb", "year = 2020", "import pandas")
    commit_all(repository)
    output = tmp_path / "results" / "output"
    output.mkdir(parents=True)
    (output / "scraps.json").write_text('{"rmse": 0.25}')
    files = ["process.ipynb", "map.png", "table.csv", "scraps.json", "result.json"]
    listing = [{"class": "File", "path": str(output / name), "size": 1500} for name in files]
    outputs = {"output_dir": {"class": "Directory", "path": str(output), "listing": listing}}
    package = "packages/ada/trees/main"

    def type_command(line: str, code: int = 0) -> None:
        print(f"$ {line}")
        assert main(shlex.split(line)[1:]) == code

    with _terminal(monkeypatch) as screen:
        type_command("packmill build ada/trees --no-image")
        monkeypatch.setattr("generator.package.engines.execution.execute", _ends(_FAILED, {}))
        type_command(f"packmill run {package} --outdir results -p year=2021", 20)
        type_command(f"packmill run {package} --outdir results -p yaer=2021", 2)
        monkeypatch.setattr("generator.package.engines.execution.execute", _ends(_SUCCEEDED, outputs))
        screen()
        type_command(f"packmill run {package} --outdir results")
        shown = re.sub(r"[0-9a-f]{12}", "<commit>", screen()).replace(str(tmp_path), "<tmp>")

    shown = re.sub(r"    took \d+ .*\n", "", shown)  # on a busy machine
    golden(cases / "terminal" / "first-session.txt", shown)
