"""How a job ended is stored, also where the disk or the database refuses that for a while."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from io import StringIO, TextIOWrapper
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import sqlalchemy as sa
from psycopg.errors import ReadOnlySqlTransaction
from waiting import wait_until

from generator.service.jobs import conclusion as conclusion_module
from generator.service.jobs import leftovers, shepherd
from generator.service.jobs.cleaning import Cleaning
from generator.service.jobs.conclusion import Conclusion
from generator.service.jobs.environment import JobContext
from generator.service.jobs.isolation import Isolation
from generator.service.jobs.scheduler import Scheduler
from generator.service.jobs.spec import Limits
from generator.service.project.pipeline_file import Artifacts, Job
from generator.service.project.project import GitUnavailableError, Project
from generator.service.store.database import Database, jobs, pipelines, sqlite_url
from generator.service.store.job_folders import DataFolder, JobFolder
from generator.service.store.pipelines import Pipelines
from generator.shared import durable_files
from generator.shared.passing_errors import insist

_RESULT = {"reason": None, "exit_code": 0, "dotenv": [], "artifacts_size": None, "finished_at": 2.0, "junit": []}
_ROW = {"sha": "a", "ref": "main", "tag": False, "source": "api", "user": "ada", "variables": [], "updated_at": 0.0}
_JOB = {"name": "one", "stage": "first", "stage_index": 0, "lane": "", "when": "on_success", "allow_failure": False}


class Ended:
    """A job that has ended well, and is still to be concluded."""

    def __init__(self, data: DataFolder, rows: Pipelines, context: JobContext) -> None:
        self.rows, self.folder = rows, data.job(1)
        self._conclusion = Conclusion(rows, context, data, Limits(), Cleaning(rows, data, Isolation()))
        self.scheduler = Scheduler(rows, context, data, Limits(), isolation=Isolation())
        with rows.database.transaction() as connection:
            common = {"id": 1, "status": "running", "created_at": 0.0}
            connection.execute(sa.insert(pipelines).values(_ROW | common))
            connection.execute(sa.insert(jobs).values(_JOB | common | {"pipeline_id": 1}))
        self.folder.prepare()
        (self.folder.path / "result.json").write_text(json.dumps(_RESULT))

    def conclude(self) -> tuple[Any, Any]:
        """Store how the job ended, and return what is stored."""
        self._conclusion.conclude(1)
        return self.state()

    def state(self) -> tuple[Any, Any]:
        """Return the status and the reason of a failure that are stored."""
        job = self.rows.job(1)
        assert job is not None
        return job["status"], job["failure_reason"]


@pytest.fixture
def ended(tmp_path: Path, project: Path, pauses: list[float]) -> Iterator[Ended]:
    data = DataFolder(tmp_path / "data")
    data.path.mkdir()
    rows = Pipelines(Database(sqlite_url(data.database)), data.hidden)
    checkout = Project(project, number=1, path="ada/toy", timeout=60.0, snapshots=tmp_path / "snapshots")
    context = JobContext(project=checkout, address="", inside="", own={}, local_repositories=True)
    yield Ended(data, rows, context)
    rows.database.close()


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The pauses between attempts, in seconds."""
    found: list[float] = []

    def pause(seconds: float) -> None:
        found.append(seconds)
        assert len(found) < 100, "the job is never concluded"

    monkeypatch.setattr(
        conclusion_module, "time", SimpleNamespace(time=time.time, monotonic=time.monotonic, sleep=pause)
    )
    return found


def _failing(action: Callable[..., Any], error: Exception, times: int) -> Callable[..., Any]:
    left = [error] * times

    def fail_first(*given: Any, **named: Any) -> Any:
        if left:
            raise left.pop()
        return action(*given, **named)

    return fail_first


@pytest.mark.parametrize(
    "error",
    [
        sa.exc.OperationalError("UPDATE job", {}, Exception("database or disk is full")),
        sa.exc.OperationalError("UPDATE job", {}, Exception("server closed the connection unexpectedly")),
        sa.exc.InternalError("UPDATE job", {}, ReadOnlySqlTransaction("cannot execute UPDATE")),
        sa.exc.TimeoutError("all connections are in use"),
        OSError(errno.ENOSPC, "No space left on device"),
        OSError(errno.EMFILE, "Too many open files"),
    ],
    ids=["full", "closed", "standby", "busy", "no-space", "many-files"],
)
def test_a_result_waits_until_it_can_be_stored(
    error: Exception, ended: Ended, pauses: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ended.rows, "update_job", _failing(ended.rows.update_job, error, 40))

    assert ended.conclude() == ("success", None)
    assert pauses == [*range(30), *[30] * 10]


def test_a_result_waits_also_while_the_log_cannot_be_written(ended: Ended, monkeypatch: pytest.MonkeyPatch) -> None:
    """As where the log and the database share a full disk; without the thread, the job would run for ever."""
    full = OSError(errno.ENOSPC, "No space left on device")
    monkeypatch.setattr(ended.rows, "update_job", _failing(ended.rows.update_job, full, 3))
    with open("/dev/full", "wb", buffering=0) as log:
        monkeypatch.setattr(sys, "stderr", TextIOWrapper(log, write_through=True))

        assert ended.conclude() == ("success", None)


@pytest.mark.parametrize("step", ["sync", "replace"])
def test_a_job_that_ends_while_the_disk_is_full_waits_to_write_its_result(
    step: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its process would end without a result, and the job would count as killed and run again."""
    full = OSError(errno.ENOSPC, "No space left on device")
    monkeypatch.setattr(durable_files, step, _failing(getattr(durable_files, step), full, 2))
    monkeypatch.setattr(sys, "argv", ["shepherd.py", str(tmp_path), str(os.open(tmp_path, os.O_RDONLY))])
    monkeypatch.setattr(sys, "stdin", StringIO("{}"))
    monkeypatch.setattr(shepherd, "Shepherd", lambda *_: SimpleNamespace(run_job=lambda: _RESULT))
    shepherd.main()
    os.close(int(sys.argv[2]))

    assert JobFolder(tmp_path).result() == _RESULT


def test_a_job_whose_folder_was_removed_does_not_wait_to_write_its_result(tmp_path: Path) -> None:
    began = time.monotonic()
    with pytest.raises(FileNotFoundError):
        insist(lambda: (tmp_path / "removed" / "result.json").write_text("{}"), patience=3600)

    assert time.monotonic() - began < 5


@pytest.fixture
def job(tmp_path: Path, project: Path) -> Iterator[shepherd.Shepherd]:
    """A job that succeeds, with a file among its artifacts, as its process runs it."""
    (tmp_path / "job").mkdir()
    folders = {"work": str(tmp_path / "work"), "temporary": str(tmp_path / "temporary")}
    sha = subprocess.check_output(["git", "-C", project, "rev-parse", "HEAD"], text=True).strip()
    kept = {"paths": ["made"], "when": "on_success", "junit": [], "dotenv": []}
    nothing: dict[str, Any] = {"artifacts": [], "files_of_run": [], "home": {}, "user": None, "files": None}
    limits = {"timeout": 60.0, "trace_limit": 1 << 20, "artifacts_limit": 1 << 20}
    named = {"project": str(project), "sha": sha, "label": f"test-{os.getpid()}", "secrets": [], "keep": kept}
    run = {"script": ["touch made"], "environment": dict(os.environ)}
    handler = signal.getsignal(signal.SIGTERM)
    yield shepherd.Shepherd(tmp_path / "job", {**folders, **nothing, **limits, **named, **run})
    signal.signal(signal.SIGTERM, handler)


@pytest.mark.parametrize("number", [errno.EAGAIN, errno.ENOMEM])
@pytest.mark.parametrize(
    ("program", "times"),
    [("git", 2), ("confinement.py", 2), ("leftovers.py", 2), ("leftovers.py", 1000)],
    ids=["project", "script", "containers", "containers-for-long"],
)
def test_a_job_goes_on_while_no_process_can_be_started(
    program: str, times: int, number: int, job: shepherd.Shepherd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At its end, the process of the job would end without a result, and the job would run again."""
    monkeypatch.setattr(shepherd, "START_PATIENCE", 1.0)
    failures = [OSError(number, os.strerror(number))] * times
    start = subprocess.Popen

    def start_later(command: tuple[str, ...], *given: Any, **named: Any) -> Any:
        if failures and program in {Path(word).name for word in command}:
            assert program != "leftovers.py" or not (tmp_path / "temporary").exists()
            raise failures.pop()
        return start(command, *given, **named)

    monkeypatch.setattr(subprocess, "Popen", start_later)
    ended = job.run_job()

    assert (ended["reason"], ended["exit_code"]) == (None, 0), ended
    assert ended["artifacts_size"]
    assert not (tmp_path / "temporary").exists()


def test_containers_of_a_job_end_after_a_moment_in_which_no_process_could_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = tmp_path / "docker"
    engine.write_text(f'#!/bin/sh\necho "$1" >> {tmp_path}/asked\necho 0a1b label\n')
    engine.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.setattr(leftovers, "_PAUSES", (0.01, 0.01))
    short = OSError(errno.EAGAIN, "Resource temporarily unavailable")
    monkeypatch.setattr(subprocess, "Popen", _failing(subprocess.Popen, short, 2))

    assert leftovers.end_containers(lambda value: value == "label") == 1
    assert (tmp_path / "asked").read_text().split() == ["ps", "container", "kill", "rm"]


@pytest.mark.parametrize(
    "error",
    [TypeError("of ours"), sa.exc.OperationalError("UPDATE job", {}, Exception("no such column: jobs.exit_code"))],
    ids=["bug", "misfit"],
)
def test_a_result_that_never_can_be_stored_is_a_system_failure(
    error: Exception, ended: Ended, pauses: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ended.rows, "update_job", _failing(ended.rows.update_job, error, 5))

    assert ended.conclude() == ("failed", "runner_system_failure")
    assert len(pauses) == 5
    assert "its result could not be stored" in ended.folder.trace.read_text()


def test_a_failure_that_cannot_be_described_is_a_system_failure(
    ended: Ended, pauses: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a job that prints what packmill cannot read would run for ever, in one of the few places for jobs."""
    (ended.folder.path / "result.json").write_text(json.dumps({**_RESULT, "reason": "script_failure", "exit_code": 2}))
    endless = _failing(lambda *_: "", ValueError("of the log"), 1000)
    monkeypatch.setattr(conclusion_module, "describe_failure", endless)

    assert ended.conclude() == ("failed", "runner_system_failure")
    assert len(pauses) == 5


@pytest.mark.parametrize("digits", ["9" * 5000, "9999", "\u0662" * 5000])
def test_a_log_with_a_long_number_as_exit_code_is_that_of_a_failed_script(digits: str, ended: Ended) -> None:
    """Python reads no number of more than 4,300 digits."""
    (ended.folder.path / "result.json").write_text(json.dumps({**_RESULT, "reason": "script_failure", "exit_code": 2}))
    ended.folder.trace.write_text(f"packmill: ours (exit code 2)\npackmill: of the input (exit code {digits})\n")

    assert ended.conclude() == ("failed", "script_failure")
    assert ended.rows.job(1)["reason"] == "ours (exit code 2)"  # type: ignore[index]


def test_a_result_that_cannot_be_read_for_now_is_no_killed_job(ended: Ended, monkeypatch: pytest.MonkeyPatch) -> None:
    busy = OSError(errno.EMFILE, "Too many open files")
    monkeypatch.setattr(Path, "read_text", _failing(Path.read_text, busy, 1))

    assert ended.conclude() == ("success", None)


def test_artifacts_of_a_job_that_ends_while_git_fails_expire(ended: Ended, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without an answer of git, nothing would be known of the job in its pipeline file."""
    (ended.folder.path / "result.json").write_text(json.dumps({**_RESULT, "artifacts_size": 5}))
    kept = Job(
        name="one", stage="first", script=(), rules=(), when="on_success", timeout=60.0, variables={},
        allow_failure=False, artifacts=Artifacts(expire_in="7 seconds"),
    )  # fmt: skip
    busy = GitUnavailableError("git show: timed out")
    monkeypatch.setattr(Project, "file", _failing(lambda *_: SimpleNamespace(jobs=(kept,)), busy, 10))

    assert ended.conclude() == ("success", None)
    assert ended.rows.job(1)["artifacts_expire_at"] == 9.0  # type: ignore[index]


def test_a_job_for_whose_commit_git_fails_for_an_hour_ends(ended: Ended, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conclusion_module, "_LONGEST_WITHOUT_GIT", 0)
    monkeypatch.setattr(Project, "file", _failing(ended.rows.job, GitUnavailableError("git show: timed out"), 1000))

    assert ended.conclude() == ("success", None)


def test_a_job_waits_for_git_as_long_as_it_answers_nothing_at_all(
    ended: Ended, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such as while the network file system of the repository is away for a night."""
    monkeypatch.setattr(conclusion_module, "_LONGEST_WITHOUT_GIT", 0)
    assert not ended._conclusion.waits_for_git(1)

    monkeypatch.setattr(Project, "has_git", lambda _: False)
    assert ended._conclusion.waits_for_git(1)


def test_a_job_that_is_canceled_while_its_killed_process_is_cleaned_up_does_not_run_again(
    ended: Ended, monkeypatch: pytest.MonkeyPatch
) -> None:
    (ended.folder.path / "result.json").unlink()
    monkeypatch.setattr(Cleaning, "end_orphans", lambda *_: ended.rows.cancel_jobs([1]))

    assert ended.conclude() == ("canceled", None)


def test_a_job_that_is_canceled_just_before_it_is_queued_again_does_not_run_again(
    ended: Ended, monkeypatch: pytest.MonkeyPatch
) -> None:
    (ended.folder.path / "result.json").unlink()
    monkeypatch.setattr(Cleaning, "end_orphans", lambda *_: None)
    monkeypatch.setattr(JobFolder, "note", lambda *_: ended.rows.cancel_jobs([1]))

    assert ended.conclude() == ("canceled", None)


def test_a_job_whose_process_was_killed_runs_again(ended: Ended, monkeypatch: pytest.MonkeyPatch) -> None:
    (ended.folder.path / "result.json").unlink()
    monkeypatch.setattr(Cleaning, "end_orphans", lambda *_: None)

    assert ended.conclude() == ("pending", None)


def test_a_job_that_a_shutdown_of_the_machine_ends_runs_again(ended: Ended, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its shepherd gets SIGTERM, as for a cancel, but nobody has asked for one."""
    (ended.folder.path / "result.json").write_text(json.dumps({**_RESULT, "reason": "canceled", "exit_code": None}))
    monkeypatch.setattr(Cleaning, "end_orphans", lambda *_: None)

    assert ended.conclude() == ("pending", None)


def test_a_job_that_somebody_canceled_does_not_run_again(ended: Ended) -> None:
    (ended.folder.path / "result.json").write_text(json.dumps({**_RESULT, "reason": "canceled", "exit_code": None}))
    ended.rows.cancel_jobs([1])

    assert ended.conclude() == ("canceled", None)


def test_a_job_whose_git_is_ended_by_the_signal_to_the_job_itself_has_not_failed(
    job: shepherd.Shepherd, monkeypatch: pytest.MonkeyPatch
) -> None:
    def end(_workspace: object) -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        raise shepherd.SystemFailureError("git was killed")

    monkeypatch.setattr(shepherd.Workspace, "prepare", end)

    assert job.run_job()["reason"] == "canceled"


def test_a_job_of_an_earlier_service_is_concluded_after_a_moment_in_which_no_thread_could_start(
    ended: Ended, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin = threading.Thread.start
    of_job = _failing(begin, RuntimeError("can't start new thread"), 1)
    monkeypatch.setattr(threading.Thread, "start", lambda self: (of_job if self.name == "job 1" else begin)(self))
    ended.scheduler.start()
    wait_until(lambda: ended.state() == ("success", None), message="the job is concluded")
    ended.scheduler.stop()
