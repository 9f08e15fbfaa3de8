"""Why a run failed, from the log of the CWL engine."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
from support import Finished, commit_all, write_notebook

from generator.package.engines import execution
from generator.package.engines.failure import FailureReason
from generator.package.engines.leftovers import Leftovers
from generator.shared.errors import DiskFullError, EngineMissingError, RunError

_LIMIT = "WARNING [job process] exceeded time limit of 20 seconds and will be terminated"
_KILLED = "WARNING [job process] exited with status: 137"
_INVALID = "ERROR Input object failed validation:\nmissing a value for 'n'"
_RUNNER = "packmill-runner: cell 2 failed: ValueError: it\nfailed on two lines\n  line 4: check(x)"
_PULL = """\
Error response from daemon: pull access denied for ada.trees, repository does not exist
ERROR Workflow or tool uses unsupported feature:
Docker is required to run this tool: Command '['docker', 'pull', 'ada.trees:main']' returned non-zero exit status 1."""
_NO_COMMAND = """\
ERROR Workflow or tool uses unsupported feature:
Docker is required to run this tool: docker executable is not available"""
_NOT_STARTED = "WARNING [job process] exited with status: 125"
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
    ("docker", "message"),
    [
        ("", "docker: not installed; install it, or let packmill do so: packmill setup"),
        (
            "echo 'Cannot connect to the Docker daemon. Is it running?' >&2; exit 1",
            (
                "no container engine answers: start Docker and try again, or let packmill set it up: packmill setup\n"
                "  Cannot connect to the Docker daemon. Is it running?"
            ),
        ),
    ],
    ids=["not-installed", "not-running"],
)
def test_a_run_without_an_engine_has_the_exit_code_of_a_missing_one(
    docker: str,
    message: str,
    repository: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    packmill: Callable[..., Finished],
) -> None:
    write_notebook(repository / "process.ipynb", "n = 1  # type: int")
    commit_all(repository)
    package = packmill("build", repository, "--no-image", "--output", tmp_path / "packages", "--json").json()["package"]
    (tmp_path / "bin").mkdir()
    if docker:
        (tmp_path / "bin/docker").write_text(f"#!/bin/sh\n{docker}\n")
        (tmp_path / "bin/docker").chmod(0o755)
    (tmp_path / "bin/sh").symlink_to("/bin/sh")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))

    done = packmill("run", package, "--outdir", tmp_path / "out")

    assert done.code == 19
    assert done.err.endswith(f"packmill: {message}\n")


@pytest.mark.parametrize(
    ("log", "is_of_engine"),
    [
        (_PULL, True),
        (_NO_COMMAND, True),
        (_NOT_STARTED, True),
        (f"packmill-runner: a warning\nINFO [job process] completed success\n{_PULL}", True),
        (f"{_PULL}\n{_RUNNER}", False),
        (f"{_PULL}\n{_KILLED}", False),
        (f"{_NOT_STARTED}\n{_LIMIT}", False),
        (_RECORD, False),
    ],
)
def test_the_engine_is_asked_after_failures_outside_of_containers_alone(log: str, is_of_engine: bool) -> None:
    read = FailureReason()
    for line in log.splitlines():
        read.read(f"{line}\n")

    assert read.is_of_engine() is is_of_engine


def test_a_failure_while_the_engine_answers_keeps_its_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "docker").write_text("#!/bin/sh\n")
    (tmp_path / "docker").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    _use_engine(monkeypatch, f"cat >&2 <<'END'\n{_PULL}\nEND\nexit 33")

    with pytest.raises(RunError, match=r"^image ada\.trees:main: missing"):
        _execute(tmp_path)


def test_the_docker_command_matters_to_no_other_runtime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _use_engine(monkeypatch, f"cat >&2 <<'END'\n{_PULL}\nEND\nexit 33")
    (tmp_path / "docker").write_text("#!/bin/sh\nexit 1\n")
    (tmp_path / "docker").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")

    for options in (("--podman",), ("--batchSystem=slurm",)):
        with pytest.raises(RunError, match=r"^image ada\.trees:main: missing"):
            _execute(tmp_path, options)
    with pytest.raises(EngineMissingError, match="docker ps ended with exit code 1"):
        _execute(tmp_path)


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
    _use_engine(monkeypatch, script)

    with pytest.raises(RunError) as failed:
        _execute(tmp_path)

    assert str(failed.value) == message


def _use_engine(monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    """Let a shell script take the place of cwltool."""
    engine = SimpleNamespace(
        command=lambda *_, **__: ("sh", "-c", script), environment=lambda variables, _: dict(variables)
    )
    monkeypatch.setattr(execution, "engine_of", lambda _: engine)
    monkeypatch.setattr(Leftovers, "remove_containers", lambda _: None)


def _execute(folder: Path, options: tuple[str, ...] = ()) -> None:
    document = folder / "process.cwl"
    execution.execute(document, {}, outdir=folder, engine="cwltool", options=options, on_line=lambda _: None)
