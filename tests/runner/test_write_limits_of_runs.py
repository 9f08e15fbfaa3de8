"""What a run may write, by the options of ``packmill-runner run --process``."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import cast
from unittest.mock import patch

import pytest
from another_user import as_another_user
from support import write_notebook

from generator.runner.packaged import process_limit
from generator.runner.packaged.copy_limits import CopyLimits
from generator.runner.packaged.in_place import NotebookFolder
from generator.runner.packaged.kept_copy import KeptCopy
from generator.runner.packaged.process_limit import advise_on_processes
from generator.runner.packaged.process_run import ProcessRun
from generator.runner.packaged.repository_location import RepositoryLocation
from generator.runner.packaged.request import PackagedRun
from generator.runner.packaged.run import discard_results, run
from generator.runner.packaged.tidying import tidy
from generator.runner.results.result import RunRecord
from generator.shared.failures import OutputLimitError
from generator.shared.write_limits import WriteLimits, no_limits


@pytest.mark.parametrize(
    ("code", "limit"),
    [
        ("open('a', 'wb').truncate(3 << 20)\nimport time\ntime.sleep(600)", "more than 2 MiB"),
        (
            "import os\nos.makedirs(here := os.environ['MPLCONFIGDIR'])\nopen(here + '/a', 'wb').truncate(3 << 20)",
            "more than 2 MiB",
        ),
        ("open('a', 'wb').truncate(3 << 20)\n1 / 0", "more than 2 MiB"),
        ("for n in range(60):\n    open(f'{n}.txt', 'w').close()", "more than 50 files and folders"),
        (
            "import os\nfor n in range(5):\n    os.symlink(os.path.abspath('../../elsewhere'), str(n))",
            "more than 2 MiB",
        ),
    ],
    ids=["while it runs", "at its end", "with an error", "files", "by links"],
)
def test_a_run_that_writes_too_much_ends_with_the_limit(code: str, limit: str, tmp_path: Path) -> None:
    write_notebook(tmp_path / "repository" / "process.ipynb", "n = 1", code)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "a").write_bytes(bytes(1 << 20))
    words = ("run", "--process", "process.ipynb", "--repository", str(tmp_path / "repository"))
    options = ("--output", str(tmp_path / "output"), "--max-output", "2MiB", "--max-files", "50")
    command = [sys.executable, "-m", "generator.runner", *words, *options]
    before = {path.name for path in tmp_path.iterdir()}

    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)

    result = json.loads((tmp_path / "output" / "result.json").read_text())
    assert (done.returncode, result["reason"], result["exit_code"]) == (14, "output-limit", 14), done.stderr
    assert limit in done.stderr
    assert sorted(path.name for path in (tmp_path / "output").iterdir()) == ["process.ipynb", "result.json"]
    assert {path.name for path in tmp_path.iterdir()} == {*before, "cwl.output.json", "output"}


@pytest.mark.parametrize("mode", [0o300, 0o500, 0o0])
def test_results_beyond_the_limit_are_removed_from_a_folder_that_the_notebook_closed(
    mode: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tmp_path.chmod(0o755)
    monkeypatch.chdir(tmp_path)
    output = Path("output")
    output.mkdir()
    for name in ("in.ipynb", "large.bin"):
        (output / name).touch()
    with as_another_user():
        user = os.geteuid()
    os.chown(output, user, -1)
    output.chmod(mode)
    record = RunRecord(process="in.ipynb")
    one = SimpleNamespace(output=output, scratch=tmp_path, record=record, executed=output / "in.ipynb")

    with as_another_user():
        discard_results(cast("ProcessRun", one))

    assert [path.name for path in output.iterdir()] == ["in.ipynb"]


def test_results_beyond_the_limit_are_removed_if_a_file_has_the_place_of_the_notebook_s_folder(tmp_path: Path) -> None:
    output = tmp_path / "output"
    output.mkdir()
    for name in ("a.bin", "sub", "z.bin"):
        (output / name).touch()
    record = RunRecord(process="sub/in.ipynb")
    one = SimpleNamespace(output=output, scratch=tmp_path, record=record, executed=output / "sub" / "in.ipynb")

    discard_results(cast("ProcessRun", one))

    assert not list(output.iterdir())


@pytest.mark.parametrize(
    ("limits", "links", "is_within"),
    [
        (WriteLimits(size=3 << 20), 2, True),
        (WriteLimits(size=3 << 20), 3, False),
        (WriteLimits(files=12), 3, True),
        (WriteLimits(files=12), 4, False),
        (no_limits, 4, True),
    ],
)
def test_what_links_bring_counts_with_what_the_run_wrote(
    limits: WriteLimits, links: int, is_within: bool, tmp_path: Path
) -> None:
    """A result of half a mebibyte, and links to a folder with one in two files: they add two to the files."""
    (tmp_path / "results").mkdir()
    (tmp_path / "elsewhere").mkdir()
    for name in ("results/a", "elsewhere/a", "elsewhere/b"):
        (tmp_path / name).write_bytes(bytes(1 << 19))
    for number in range(links):
        (tmp_path / "results" / f"link-{number}").symlink_to(tmp_path / "elsewhere")

    with nullcontext() if is_within else pytest.raises(OutputLimitError):
        tidy(tmp_path / "results", CopyLimits(limits, (tmp_path / "results",)))

    size = sum(path.stat().st_size for path in (tmp_path / "results").rglob("*") if path.is_file())
    assert size <= (limits.size or 5 << 20)
    assert is_within != (tmp_path / "results" / f"link-{links - 1}").is_symlink()


@pytest.mark.parametrize(("size", "is_within"), [(17, True), (19, False), (21, False)])
def test_copies_of_large_files_do_not_count_as_what_the_run_wrote(
    size: int, is_within: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A limit of 20 MiB: the folder's file has 9 MiB, what a link of the run brings 2 MiB. Two runs have one copy."""
    (tmp_path / "repository").mkdir()
    for name, mebibytes in {"repository/large.bin": 9, "repository/process.ipynb": 0, "elsewhere": 2}.items():
        (tmp_path / name).write_bytes(bytes(mebibytes << 20))
    monkeypatch.chdir(tmp_path)
    kept = KeptCopy(tmp_path / "kept")

    def write(one: ProcessRun) -> None:
        one.workspace.fill(one.place, kept=kept)
        assert not (one.workspace.directory / "large.bin").is_symlink()
        (one.output / "result.bin").touch()
        os.truncate(one.output / "result.bin", size << 20)
        (one.output / "link.bin").symlink_to(tmp_path / "elsewhere")

    monkeypatch.setattr("generator.runner.packaged.run.run_notebook", write)
    for number in range(2):
        request = PackagedRun(
            process="process.ipynb",
            output=tmp_path / f"output-{number}",
            repository=str(tmp_path / "repository"),
            write_limits=WriteLimits(size=20 << 20),
            kept_copy=kept,
            say=lambda _: None,
        )
        with patch.dict(os.environ), nullcontext() if is_within else pytest.raises(OutputLimitError, match="20 MiB"):
            run(request)


def test_outputs_of_a_notebook_in_its_own_folder_count_as_they_are_copied(tmp_path: Path) -> None:
    for name in ("home", "results"):
        (tmp_path / name).mkdir()
    workspace = NotebookFolder(top=tmp_path / "home", process="process.ipynb")
    workspace.fill(RepositoryLocation(tmp_path / "home", frozenset()), written=["*.bin"])
    for name in ("a.bin", "b.bin"):
        (tmp_path / "home" / name).write_bytes(bytes(1 << 20))

    with pytest.raises(OutputLimitError, match="more than 1 MiB"):
        workspace.collect(tmp_path / "results", limits=CopyLimits(WriteLimits(size=1 << 20), (tmp_path / "results",)))

    assert [path.name for path in (tmp_path / "results").iterdir()] == ["a.bin"]


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
