"""Why a run failed, from the log of the CWL engine."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from generator.package.engines import execution
from generator.package.engines.failure import FailureReason
from generator.package.engines.leftovers import Leftovers
from generator.shared.errors import DiskFullError, RunError

_LIMIT = "WARNING [job process] exceeded time limit of 20 seconds and will be terminated"
_KILLED = "WARNING [job process] exited with status: 137"
_INVALID = "ERROR Input object failed validation:\nmissing a value for 'n'"
_RUNNER = "packmill-runner: cell 2 failed: ValueError: it\nfailed on two lines\n  line 4: check(x)"
_PULL = """\
Error response from daemon: pull access denied for ada.trees, repository does not exist
ERROR Workflow or tool uses unsupported feature:
Docker is required to run this tool: Command '['docker', 'pull', 'ada.trees:main']' returned non-zero exit status 1."""
_RECORD = """\
ERROR Workflow error, try again with --debug for more information:
Invalid job input record:
inputs.json:1:1: Missing required input parameter 'src'"""
_FULL = """\
ERROR Unhandled error, try again with --debug for more information:
  [('/tmp/a/o.txt', '/disk/o.txt', "[Errno 28] No space left on device: '/tmp/a/o.txt' -> '/disk/o.txt'")]"""


@pytest.mark.parametrize(
    ("log", "reason"),
    [
        (_RUNNER, "cell 2 failed: ValueError: it (line 4: check(x))"),
        (f"packmill-runner: printed\n  line 1: fake\n{_RUNNER}", "cell 2 failed: ValueError: it (line 4: check(x))"),
        (f"{_LIMIT}\npackmill-runner: interrupted by signal 15", "the run exceeded its time limit of 20 s"),
        ("[now] [MainThread] packmill-runner: cell 1 failed: KeyError: 'a'", "cell 1 failed: KeyError: 'a'"),
        (_PULL, "image ada.trees:main: missing, and it cannot be pulled: pull access denied for ada.trees"),
        (_KILLED, "the container was killed (status 137), probably because memory"),
        (_INVALID, "Input object failed validation: missing a value"),
        (_RECORD, "Workflow error: Invalid job input record: inputs.json:1:1: Missing required input parameter 'src'"),
        ("packmill-runner: interrupted by signal 15", "its container was stopped (signal 15): by the container engine"),
        ("cell 1 of 3: n = 1\nINFO [job process] completed success", ""),
    ],
)  # fmt: skip
def test_the_reason_is_the_last_report_of_the_runner_or_of_the_engine(log: str, reason: str) -> None:
    read = FailureReason()
    for line in log.splitlines():
        read.read(f"{line}\n")

    assert read.reason().startswith(reason)
    assert bool(read.reason()) == bool(reason)


@pytest.mark.parametrize(
    ("log", "message"),
    [
        (_FULL, "/disk/o.txt: No space left on device; free some space, and run the command again"),
        (
            "ERROR Unhandled error:\n  [Errno 122] Disk quota exceeded",
            "Disk quota exceeded; free some space, and run the command again",
        ),
        (
            f"packmill-runner: a warning\nINFO [job process] completed success\n{_FULL}",
            "/disk/o.txt: No space left on device; free some space, and run the command again",
        ),
        (f"{_RUNNER}\n{_FULL}", None),
        (f"{_FULL}\n{_KILLED}", None),
        (f"{_FULL}\n{_LIMIT}", None),
        (f"{_FULL}\n  the run wrote more than 5 files and folders, which is the limit", None),
        (_RECORD, None),
    ],
)
def test_a_full_disk_for_the_results_is_told_from_a_failed_run(log: str, message: str | None) -> None:
    read = FailureReason()
    for line in log.splitlines():
        read.read(f"{line}\n")

    full = read.full_disk()

    assert (str(DiskFullError(full)) if full else None) == message


@pytest.mark.parametrize(
    ("script", "message"),
    [
        (
            "echo 'packmill-runner: cell 2 failed: KeyError' >&2; echo '  line 4: a[b]' >&2; exit 1",
            "cell 2 failed: KeyError (line 4: a[b])",
        ),
        ("exit 33", "the run failed: cwltool ended with code 33; its last lines are above"),
    ],
)
def test_a_failed_run_ends_with_the_reason(
    script: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = SimpleNamespace(
        command=lambda *_, **__: ("sh", "-c", script), environment=lambda variables, _: dict(variables)
    )
    monkeypatch.setattr(execution, "engine_of", lambda _: engine)
    monkeypatch.setattr(Leftovers, "remove_containers", lambda _: None)

    with pytest.raises(RunError) as failed:
        execution.execute(
            tmp_path / "process.cwl", {}, outdir=tmp_path, engine="cwltool", options=(), on_line=lambda _: None
        )

    assert str(failed.value) == message
