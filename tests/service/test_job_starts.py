"""The moment in which a job starts: its pipeline is deleted, or the database fails."""

from __future__ import annotations

import errno
import os
import subprocess
import threading
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import sqlalchemy as sa
from waiting import wait_until

from generator.service.jobs import conclusion as conclusion_module
from generator.service.jobs import scheduler as scheduler_module
from generator.service.jobs.cleaning import Cleaning
from generator.service.jobs.environment import JobContext
from generator.service.jobs.isolation import Isolation
from generator.service.jobs.scheduler import Scheduler
from generator.service.jobs.spec import Limits
from generator.service.project.pipeline_file import Artifacts, Job
from generator.service.project.project import GitUnavailableError, Project, Revision
from generator.service.store import queue_limits
from generator.service.store.database import Database, jobs, pipelines, rows, sqlite_url
from generator.service.store.hook_tables import deliveries, hooks
from generator.service.store.job_folders import DataFolder, JobFolder
from generator.service.store.outbox import JOB
from generator.service.store.pipelines import Pipelines
from generator.service.store.queue_limits import QueueFullError
from generator.service.store.tokens import Identity
from generator.subprocesses.detached import start_apart

_ROW = {"sha": "a", "ref": "main", "tag": False, "source": "api", "user": "ada", "variables": [], "updated_at": 0.0}
_JOB = {"name": "one", "stage": "first", "stage_index": 0, "lane": "", "when": "on_success", "allow_failure": False}
_PLAIN = Job(
    name="one", stage="first", script=(), rules=(), when="on_success", timeout=60.0, variables={}, allow_failure=False,
    artifacts=Artifacts(),
)  # fmt: skip
_FAILURE = sa.exc.OperationalError("UPDATE jobs", {}, Exception("server closed the connection unexpectedly"))
_MEETING = 0.5
"""Seconds that one thread waits for another one to be where the test wants it, if it can get there."""


class Waiting:
    """A service with one job that waits."""

    def __init__(self, folder: Path, project: Path) -> None:
        self.data = DataFolder(folder / "data")
        self.data.path.mkdir()
        self.rows = Pipelines(Database(sqlite_url(self.data.database)), self.data.hidden)
        checkout = Project(project, number=1, path="ada/toy", timeout=60.0, snapshots=folder / "snapshots")
        context = JobContext(project=checkout, address="", inside="", own={}, local_repositories=True)
        self.scheduler = Scheduler(self.rows, context, self.data, Limits(), isolation=Isolation())
        with self.rows.database.transaction() as connection:
            common = {"id": 1, "status": "pending", "created_at": 0.0}
            connection.execute(sa.insert(pipelines).values(_ROW | common))
            connection.execute(sa.insert(jobs).values(_JOB | common | {"pipeline_id": 1}))

    def add(self, *, token: int, **variables: str) -> int:
        """Add a pipeline of a token; return the number of its job."""
        number = self.rows.create(
            Revision(ref="main", sha="a", tag=False),
            [(_PLAIN, "on_success")],
            stages=("first",),
            source="trigger",
            user=Identity(id=token, name="ada", scopes=frozenset()),
            variables=[{"key": key, "value": value, "variable_type": "env_var"} for key, value in variables.items()],
            name=None,
        )
        return int(self.rows.jobs_of(number)[0]["id"])

    def status(self) -> str:
        job = self.rows.job(1)
        return job["status"] if job else "deleted"

    def listen(self) -> None:
        """Add a hook for events of jobs."""
        with self.rows.database.transaction() as connection:
            hook = {"id": 1, "target": {}, "events": [JOB], "verify": True, "created_at": 0.0}
            connection.execute(sa.insert(hooks).values(hook))

    def events(self) -> list[str]:
        """Return the statuses of the job that the hook got."""
        with self.rows.database.connection() as connection:
            return [
                one["happened"]["jobs"][0]["status"]
                for one in rows(connection, sa.select(deliveries).order_by(deliveries.c.id))
                if one["event"] == JOB
            ]


@pytest.fixture
def waiting(tmp_path: Path, project: Path) -> Iterator[Waiting]:
    made = Waiting(tmp_path, project)
    yield made
    if made.scheduler.is_alive:
        made.scheduler.stop()
    wait_until(
        lambda: not any(thread.name.startswith("job ") for thread in threading.enumerate()),
        seconds=30,
        message="no thread waits for a job",
    )
    made.rows.database.close()


def test_jobs_of_a_token_with_very_many_repositories_do_not_keep_those_of_others_waiting(
    waiting: Waiting, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every pipeline may name another repository, and one that runs a package names none."""
    started = list[int]()

    def begin(number: int, _lane: str) -> None:
        started.append(number)
        waiting.rows.update_job(number, {"status": "success"})

    monkeypatch.setattr(waiting.scheduler, "_begin", begin)
    waiting.rows.cancel(1)
    runs = [waiting.add(token=1) for _ in range(2)]
    others = [waiting.add(token=2, repository=f"https://h/x{number}") for number in range(3)]

    waiting.scheduler.start()

    wait_until(lambda: len(started) == 5, seconds=10, message="all jobs have started")
    assert started == [runs[0], others[0], runs[1], *others[1:]]


@pytest.mark.parametrize(
    "error",
    [GitUnavailableError("git show: Input/output error"), OSError(errno.ESTALE, os.strerror(errno.ESTALE))],
    ids=["git", "folder"],
)
def test_jobs_that_cannot_be_started_for_now_keep_those_of_other_tokens_in_all_places(
    error: OSError, waiting: Waiting, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their token has no running job, so that it had each next turn as soon as all others had one."""
    started = list[int]()

    def begin(number: int, lane: str) -> None:
        if lane.startswith("1 "):
            raise error
        waiting.rows.claim(number, str(number))
        waiting.scheduler._running[number] = lane
        started.append(number)

    monkeypatch.setattr(scheduler_module, "_PAUSE", 0.01)
    monkeypatch.setattr(waiting.scheduler, "_begin", begin)
    waiting.rows.cancel(1)
    for number in range(2 * scheduler_module._MOST_FAILED):
        waiting.add(token=1, repository=f"https://h/x{number}")
    others = [waiting.add(token=2, repository="https://h/y") for _ in range(waiting.scheduler.concurrent)]

    waiting.scheduler.start()

    wait_until(lambda: started == others, seconds=10, message="the others have started")


def test_what_has_expired_is_removed_while_a_job_cannot_be_started(
    waiting: Waiting, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such as on a full disk, for as long as it waits."""
    removed = threading.Event()

    def fail(*_: object, **__: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(JobFolder, "prepare", fail)
    monkeypatch.setattr(Cleaning, "remove_expired", lambda _: removed.set())
    waiting.scheduler.start()

    assert removed.wait(10)


def test_a_machine_that_can_start_no_process_as_the_queue_is_prepared_has_its_jobs_started_later(
    waiting: Waiting, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = list[str]()

    def prepare() -> None:
        steps.append("prepared")
        if len(steps) == 1:
            raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN))

    def begin(number: int, _lane: str) -> None:
        waiting.rows.update_job(number, {"status": "success"})
        steps.append("started")

    monkeypatch.setattr(scheduler_module, "_PAUSE", 0.01)
    monkeypatch.setattr(waiting.scheduler, "_prepare", prepare)
    monkeypatch.setattr(waiting.scheduler, "_begin", begin)
    waiting.scheduler.start()

    wait_until(lambda: steps[-1:] == ["started"], seconds=10, message="the job has started")
    assert steps == ["prepared", "prepared", "started"]


def test_pipelines_that_wait_are_counted_without_reading_their_variables(waiting: Waiting) -> None:
    """Gigabytes of them may wait, and the count keeps other changes of the database waiting."""
    plans: list[str] = []

    def explain(_connection: object, cursor: Any, statement: str, parameters: Any, *_: object) -> None:
        if "count(" in statement:
            plans.extend(row[3] for row in cursor.execute(f"EXPLAIN QUERY PLAN {statement}", parameters))

    sa.event.listen(waiting.rows.database._engine, "before_cursor_execute", explain)
    waiting.add(token=1)

    assert [plan.partition(" INDEX")[0] for plan in plans] == ["SEARCH pipelines USING COVERING"]


def test_so_many_pipelines_may_wait_in_all(waiting: Waiting, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also while each token has its share."""
    monkeypatch.setattr(queue_limits, "_MOST", 2)
    waiting.add(token=1)

    with pytest.raises(QueueFullError, match="2 pipelines wait or run"):
        waiting.add(token=2)


def test_a_job_whose_pipeline_is_deleted_as_it_starts_is_ended_and_leaves_no_folder(
    waiting: Waiting, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its process would go on without a folder, in which the service looks for whom to end."""
    claimed, started = threading.Event(), threading.Event()
    shepherds: list[subprocess.Popen[bytes]] = []
    remove = JobFolder.remove

    def describe(*_: Any, **__: Any) -> dict[str, Any]:
        claimed.set()
        started.wait(_MEETING)  # the other thread deletes now
        return {}

    def start(_command: object, *, handing: int, **_: Any) -> int:
        shepherds.append(subprocess.Popen(["sleep", "60"], pass_fds=[handing]))
        started.set()
        return shepherds[0].pid

    def remove_slowly(folder: JobFolder) -> None:
        started.wait(2 * _MEETING)
        remove(folder)

    monkeypatch.setattr(scheduler_module, "job_spec", describe)
    monkeypatch.setattr(scheduler_module, "start_apart", start)
    monkeypatch.setattr(JobFolder, "remove", remove_slowly)
    waiting.scheduler.start()
    claimed.wait()
    waiting.scheduler.delete(1)

    wait_until(lambda: all(one.poll() is not None for one in shepherds), seconds=10, message="the job has ended")
    wait_until(lambda: not waiting.data.job(1).path.exists(), message="its folder is gone")


@pytest.mark.parametrize("stored", [True, False], ids=["after-the-commit", "before-the-end"])
def test_a_job_for_which_the_database_fails_as_it_starts_does_not_count_as_running_for_ever(
    stored: bool, waiting: Waiting, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The connection breaks after the job was marked as running, or when the error of its start is stored."""
    method = "claim" if stored else "update_job"
    real, left = getattr(waiting.rows, method), [_FAILURE]

    def fail_once(*given: Any, **named: Any) -> Any:
        if left and stored:
            real(*given, **named)
        if left:
            raise left.pop()
        return real(*given, **named)

    monkeypatch.setattr(waiting.rows, method, fail_once)
    waiting.scheduler.start()

    wait_until(lambda: waiting.status() == "failed", seconds=20, message="the job has ended")
    assert "has no .gitlab-ci.yml" in waiting.data.job(1).trace.read_text()


@pytest.mark.parametrize("deletes", [False, True], ids=["cancel", "delete"])
def test_a_job_whose_cancel_fails_for_now_is_canceled_with_the_queue(
    deletes: bool, waiting: Waiting, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else it would run to its end, with the status that it is being canceled."""
    canceled = threading.Event()
    failures = [OSError(errno.EMFILE, "Too many open files")]

    def cancel(_: JobFolder) -> None:
        if failures:
            raise failures.pop()
        canceled.set()

    monkeypatch.setattr(JobFolder, "cancel", cancel)
    monkeypatch.setattr(JobFolder, "wait", lambda _: canceled.wait(60))
    with waiting.rows.database.transaction() as connection:
        connection.execute(sa.update(jobs).values(status="running"))
    waiting.scheduler.start()
    if deletes:
        with pytest.raises(OSError, match="Too many open files"):
            waiting.scheduler.delete(1)
        assert waiting.status() == "canceling"
    else:
        waiting.scheduler.cancel(waiting.rows.cancel(1))

    wait_until(lambda: waiting.status() == "canceled", message="the job is canceled")
    assert canceled.is_set()


@pytest.mark.parametrize("number", [errno.EAGAIN, errno.EMFILE, errno.ENOSPC])
def test_a_job_waits_while_the_machine_can_start_no_process(
    number: int, waiting: Waiting, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All waiting jobs failed, one after another."""
    failures = [OSError(number, os.strerror(number)) for _ in range(4)]  # more than a job has attempts
    seen, watched = [], threading.Event()

    def start(*_: object, **__: object) -> int:
        seen.append(waiting.status())
        if failures:
            raise failures.pop()
        return os.getpid()

    monkeypatch.setattr(scheduler_module, "_PAUSE", 0.01)
    monkeypatch.setattr(scheduler_module, "job_spec", lambda *_, **__: {})
    monkeypatch.setattr(scheduler_module, "start_apart", start)
    monkeypatch.setattr(waiting.scheduler._conclusion, "conclude", lambda _: watched.set())  # its process runs on
    waiting.scheduler.start()

    assert watched.wait(30)
    assert seen == ["running"] * 5
    job = waiting.rows.job(1)
    assert job is not None
    assert (job["status"], job["attempts"]) == ("running", 1)


def test_a_job_for_whose_commit_git_fails_for_an_hour_fails(waiting: Waiting, monkeypatch: pytest.MonkeyPatch) -> None:
    """Others of its repository waited for it for ever."""

    def fail(*_: object, **__: object) -> None:
        raise GitUnavailableError("git show: ended with code -11")

    monkeypatch.setattr(conclusion_module, "_LONGEST_WITHOUT_GIT", 0.05)
    monkeypatch.setattr(scheduler_module, "_PAUSE", 0.02)
    monkeypatch.setattr(Project, "file", fail)
    waiting.scheduler.start()

    wait_until(lambda: waiting.status() == "failed", seconds=20, message="the job fails")
    assert b"git show: ended with code -11" in waiting.data.job(1).trace.read_bytes()


def test_all_jobs_of_a_commit_wait_for_git_for_the_same_hour(waiting: Waiting, monkeypatch: pytest.MonkeyPatch) -> None:
    """The hour of each began only when the one before it had failed."""
    now = [0.0]
    monkeypatch.setattr(conclusion_module, "time", SimpleNamespace(monotonic=lambda: now[0]))
    later, concluded = waiting.add(token=1), waiting.scheduler._conclusion

    def waits(number: int, *, after: float) -> bool:
        now[0] += after
        return concluded.waits_for_git(number)

    assert [waits(1, after=0), waits(1, after=3500)] == [True, True]
    assert [waits(1, after=200), waits(later, after=1)] == [False, False]
    assert waits(later, after=7300)  # git has not failed for hours
    concluded.note_git(1)
    assert [waits(later, after=3500), waits(later, after=3500)] == [True, True]


def test_a_job_that_cannot_be_started_is_tried_less_and_less_often_without_events_and_lines(
    waiting: Waiting, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each second, hooks got that it runs and that it waits, and its log the same warnings."""
    attempts, sizes, watched = list[float](), list[int](), threading.Event()

    def describe(number: int, *_: object, **__: object) -> dict[str, Any]:
        waiting.data.job(number).note("WARNING: variable 'x': not declared in the pipeline file; ignored")
        sizes.append(waiting.data.job(number).trace_size())
        return {}

    def start(*_: object, **__: object) -> int:
        attempts.append(time.monotonic())
        if len(attempts) < 5:
            raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN))
        return os.getpid()

    waiting.listen()
    waiting.rows.announce(1)
    monkeypatch.setattr(scheduler_module, "_PAUSE", 0.05)
    monkeypatch.setattr(scheduler_module, "job_spec", describe)
    monkeypatch.setattr(scheduler_module, "start_apart", start)
    monkeypatch.setattr(waiting.scheduler._conclusion, "conclude", lambda _: watched.set())  # its process runs on
    waiting.scheduler.start()

    assert watched.wait(30)
    assert waiting.events() == ["pending", "running"]
    assert len(set(sizes)) == 1
    pauses = [later - earlier for earlier, later in pairwise(attempts)]
    assert all(pause >= least for pause, least in zip(pauses, (0.1, 0.15, 0.25, 0.45), strict=True))


@pytest.mark.parametrize("failures", [0, 1], ids=["killed", "killed-and-unavailable"])
def test_a_job_of_a_service_that_was_killed_before_it_announced_the_start_has_its_events_once(
    failures: int, waiting: Waiting, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its pipeline counted as waiting until the job had ended."""
    real, left, announced = waiting.rows.announce, [_FAILURE] * failures, threading.Event()
    release = threading.Event()

    def announce(number: int) -> None:
        if left:
            raise left.pop()
        real(number)
        announced.set()

    waiting.listen()
    real(1)
    waiting.rows.claim(1, "digest")
    monkeypatch.setattr(scheduler_module, "_LONGEST_PAUSE", 0.05)
    monkeypatch.setattr(JobFolder, "wait", lambda _: release.wait(60))
    monkeypatch.setattr(waiting.scheduler._conclusion, "conclude", lambda _: None)  # its process runs on
    monkeypatch.setattr(waiting.rows, "announce", announce)
    waiting.scheduler.start()

    assert announced.wait(20)
    pipeline = waiting.rows.get(1)
    assert pipeline is not None
    assert pipeline["status"] == "running"
    waiting.scheduler._resume_unwatched()
    assert waiting.events() == ["pending", "running"]
    release.set()
    wait_until(lambda: not waiting.scheduler._running, message="nobody waits for the job")


def test_a_cancel_that_is_impossible_for_long_does_not_stop_the_queue(
    waiting: Waiting, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A job whose process ID cannot be written on a full disk, and one that waits."""
    begun, release = threading.Event(), threading.Event()

    def fail(_: JobFolder) -> None:
        raise BlockingIOError(errno.EAGAIN, "not written yet")

    def begin(number: int, _: str) -> None:
        waiting.rows.update_job(number, {"status": "success"})
        begun.set()

    monkeypatch.setattr(JobFolder, "cancel", fail)
    monkeypatch.setattr(JobFolder, "wait", lambda _: release.wait(60))
    monkeypatch.setattr(waiting.scheduler, "_begin", begin)
    with waiting.rows.database.transaction() as connection:
        other = {"id": 2, "status": "canceling", "pipeline_id": 1, "created_at": 0.0}
        connection.execute(sa.insert(jobs).values(_JOB | other))
    waiting.scheduler.start()

    assert begun.wait(20)
    release.set()


def test_a_job_that_is_canceled_while_it_cannot_be_started_does_not_wait(
    waiting: Waiting, monkeypatch: pytest.MonkeyPatch
) -> None:
    def start(*_: object, **__: object) -> int:
        waiting.rows.cancel(1)
        raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN))

    monkeypatch.setattr(scheduler_module, "job_spec", lambda *_, **__: {})
    monkeypatch.setattr(scheduler_module, "start_apart", start)
    waiting.scheduler.start()

    wait_until(lambda: waiting.status() == "canceled", seconds=20, message="the job has ended")


@pytest.mark.parametrize("log", ["missing/log", "log"])
def test_a_program_that_cannot_be_started_leaves_no_descriptor_open(log: str, tmp_path: Path) -> None:
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(10):
        with pytest.raises(FileNotFoundError):
            start_apart((str(tmp_path / "no-program"),), handing=0, text="", log=tmp_path / log)

    assert len(os.listdir("/proc/self/fd")) < before + 10
