"""Why a run failed, from the log of the CWL engine."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from generator.package.engines import execution
from generator.package.engines.failure import FailureReason
from generator.shared.errors import RunError

_LIMIT = "WARNING [job process] exceeded time limit of 20 seconds and will be terminated"
_KILLED = "WARNING [job process] exited with status: 137"
_INVALID = "ERROR Input object failed validation:\nmissing a value for 'n'"
_RUNNER = "packmill-runner: cell 2 failed: ValueError: it\nfailed on two lines\n  line 4: check(x)"
_PULL = """\
Error response from daemon: pull access denied for ada.trees, repository does not exist
ERROR Workflow or tool uses unsupported feature:
Docker is required to run this tool: Command '['docker', 'pull', 'ada.trees:main']' returned non-zero exit status 1."""


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
    monkeypatch.setattr(execution, "_remove_containers", lambda _: None)

    with pytest.raises(RunError) as failed:
        execution.execute(
            tmp_path / "process.cwl", {}, outdir=tmp_path, engine="cwltool", options=(), on_line=lambda _: None
        )

    assert str(failed.value) == message
