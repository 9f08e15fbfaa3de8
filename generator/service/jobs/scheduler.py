"""The job queue: choose and start jobs, wait for them, and recover after a crash.

One thread starts jobs, and one thread per running job waits for it. Each job runs under a shepherd
(`generator.service.jobs.shepherd`), a process that outlives the service. A restarted service adopts the jobs that still
run, collects the results of those that ended meanwhile, and reruns those whose shepherd was killed too.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import math
import os
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from generator.service.jobs.cleaning import Cleaning
from generator.service.jobs.conclusion import Conclusion
from generator.service.jobs.environment import JobContext
from generator.service.jobs.isolation import Isolation
from generator.service.jobs.spec import Limits, job_spec
from generator.service.jobs.turns import Turns
from generator.service.log import log
from generator.service.project.project import GitUnavailableError
from generator.service.store import tokens
from generator.service.store.database import Database, Row, is_unavailable, jobs, rows
from generator.service.store.job_folders import DataFolder, JobFolder
from generator.service.store.lanes import token_of
from generator.service.store.pipelines import Pipelines
from generator.shared.clock_watch import ClockWatch
from generator.shared.passing_errors import may_pass
from generator.subprocesses.detached import start_apart

_SHEPHERD = Path(__file__).with_name("shepherd.py")
_PAUSE, _LONGEST_PAUSE = 1.0, 30.0
"""Seconds until the queue is tried again: after a failure, doubled for each further one, and without a failure."""
_OF_ONE_JOB = (errno.EIO, errno.EROFS, errno.ESTALE, errno.ETIMEDOUT)
"""Errors of the file system, which may concern the folder of one job alone; others of the machine concern all jobs."""
_MOST_FAILED = 8
"""Jobs that fail to start at one look at the queue; then the machine or git seems to fail for all."""


class Scheduler:
    """Starts and ends the jobs of a project."""

    def __init__(
        self,
        queue: Pipelines,
        job_context: JobContext,
        data: DataFolder,
        limits: Limits,
        *,
        isolation: Isolation,
        prepare: Callable[[], None] = lambda: None,
    ) -> None:
        """Prepare the scheduler; ``prepare`` is called before the first job starts, again if it raises."""
        self._pipelines, self._job_context, self._data, self._limits = queue, job_context, data, limits
        self._isolation, self._prepare = isolation, prepare
        self._database: Database = queue.database
        self._cleaning = Cleaning(queue, data, isolation)
        self._conclusion = Conclusion(queue, job_context, data, limits, self._cleaning)
        self._wake = threading.Event()
        self._stopping = self._is_unsure = False
        self._running: dict[int, str] = {}
        self._turns = Turns()
        self._guard, self._starting = threading.Lock(), threading.Lock()
        self._beginning = threading.Lock()
        self._thread = threading.Thread(target=self._run_queue, name="scheduler", daemon=True)
        queue.listeners.append(self._wake.set)

    def start(self) -> None:
        """Recover the jobs of an earlier service, then start the queue."""
        self._cleaning.remove_orphaned_folders()
        for job in self._find_running():
            self._resume(job)
        self._thread.start()

    def stop(self) -> None:
        """Start no more jobs; running jobs continue, and the next service adopts them."""
        self._stopping = True
        self._wake.set()
        self._thread.join(timeout=5)

    @property
    def takes_local_files(self) -> bool:
        """Whether jobs may use files of this machine."""
        return self._job_context.local_repositories

    @property
    def is_alive(self) -> bool:
        """Whether jobs are started."""
        return self._thread.is_alive() and not self._stopping

    @property
    def concurrent(self) -> int:
        """The number of jobs that may run at once."""
        return self._limits.concurrent

    @contextlib.contextmanager
    def held(self) -> Iterator[bool]:
        """Start no job within the block, which gets whether none runs; the queue goes on afterwards."""
        with self._starting:
            with self._guard:
                is_idle = not self._running
            yield is_idle

    def cancel(self, numbers: Sequence[int]) -> None:
        """End running jobs; those that cannot be ended now are tried again with the queue."""
        for number in numbers:
            self._cancel(number)

    def _cancel(self, number: int) -> None:
        if not self._try_to_cancel(number):
            self._retry_soon()

    def _try_to_cancel(self, number: int) -> bool:
        """End a running job; return False if this is impossible now."""
        try:
            self._data.job(number).cancel()
        except OSError as error:
            log(f"job {number}: cannot cancel it: {error}; retrying")
            return False
        return True

    def _retry_soon(self) -> None:
        """Have the queue look for running jobs that nobody waits for, or that are to be ended."""
        self._is_unsure = True
        self._wake.set()

    def delete(self, pipeline: int) -> None:
        """Cancel a pipeline, and remove it with its jobs and their folders.

        Raises:
            OSError: a job cannot be canceled now; the pipeline is canceled with the queue, and stays.
        """
        with self._beginning:  # else a job that begins now could lose its folder, and nobody could end it
            try:
                for number in self._pipelines.cancel(pipeline):
                    self._data.job(number).cancel()
            except OSError:
                self._retry_soon()  # which needs the rows of the pipeline: it is not deleted
                raise
            for job in self._pipelines.delete(pipeline):
                if not self._data.job(job).has_shepherd():  # otherwise it is removed when the job has ended
                    self._data.job(job).remove()
        self._data.run_files.remove(pipeline)

    def _find_running(self) -> list[Row]:
        with self._database.connection() as connection:
            return rows(connection, sa.select(jobs).where(jobs.c.status.in_(("running", "canceling"))))

    def _resume(self, job: Row) -> None:
        """Wait for a job of an earlier service; without a shepherd, it has ended."""
        if not self._try_to_announce(job):
            self._retry_soon()
        self._watch(job["id"], job["lane"])
        if job["status"] == "canceling":
            self._cancel(job["id"])

    def _try_to_announce(self, job: Row) -> bool:
        """Store the events of a running job, if the service ended before it did; return False if this fails now."""
        number = job["id"]
        if job["announced"] == job["status"]:
            return True
        try:
            self._pipelines.announce(number)
        except sa.exc.SQLAlchemyError as error:  # such as on a full disk: the job is waited for all the same
            log(f"job {number}: cannot store that it runs: {error}; retrying")
            return False
        return True

    def _resume_unwatched(self) -> None:
        """Wait for the running jobs that nobody waits for, and end those that are to be canceled.

        The database failed after it had stored that they run, perhaps before their events, or they could not be
        canceled.
        """
        with self._guard:
            watched = set(self._running)  # before the rows are read: a job that ends meanwhile is not another one's
        for job in self._find_running():
            if job["id"] not in watched:
                self._resume(job)
                continue
            is_canceled = job["status"] != "canceling" or self._try_to_cancel(job["id"])
            if not self._try_to_announce(job) or not is_canceled:
                self._is_unsure = True  # with the next look at the queue, which goes on

    def _run_queue(self) -> None:
        cleaned, failures, clock = -math.inf, 0, ClockWatch(memory=self._data.clock)
        is_prepared = False
        while not self._stopping:
            self._wake.clear()
            try:
                if not is_prepared:
                    self._prepare()
                    self._cleaning.end_containers()
                    is_prepared = True
                if self._is_unsure:
                    self._is_unsure = False
                    self._resume_unwatched()
                failed = self._start_jobs()
                clock.look()
                if time.monotonic() - cleaned > 300 and clock.is_settled:
                    cleaned = time.monotonic()
                    self._cleaning.remove_expired()
                if failed:
                    raise failed  # noqa: TRY301 - like each failure, but after the removal
                failures = 0
            except Exception as error:  # noqa: BLE001 - a full disk or an unavailable database must not end the queue
                log(f"job queue: {error}; retrying")
                self._is_unsure = True
                failures += 1
                time.sleep(_PAUSE)
            self._wake.wait(timeout=_seconds_to_wait(failures))

    def _start_jobs(self) -> OSError | None:
        """Start the jobs that may start now; return the last error that kept one of them waiting.

        If it may be of that job alone, it keeps only its lane waiting.

        Raises:
            SQLAlchemyError: the database fails.
        """
        failed = dict[str, OSError]()
        while not self._stopping and len(failed) < _MOST_FAILED and self._start_next_unless_held(failed):
            pass
        return next(reversed(failed.values()), None)

    def _start_next_unless_held(self, failed: dict[str, OSError]) -> bool:
        with self._starting:
            return self._start_next(failed)

    def _start_next(self, failed: dict[str, OSError]) -> bool:
        """Start a job of a lane that has not ``failed`` at this look; return False if no other one may start."""
        with self._guard:
            if len(self._running) >= self._limits.concurrent:
                return False
            running = tuple(self._running.values())
        first = sa.select(jobs.c.lane, sa.func.min(jobs.c.id).label("id")).where(jobs.c.status == "pending")
        with self._database.connection() as connection:
            waiting = {row["lane"]: row["id"] for row in rows(connection, first.group_by(jobs.c.lane))}
        lanes = _without_failed(waiting, failed)
        if not lanes:
            return False
        lane = self._turns.choose(lanes, running)
        try:
            with self._beginning:
                self._begin(lanes[lane], lane)
        except OSError as error:
            failed[lane] = error
            return isinstance(error, GitUnavailableError) or error.errno in _OF_ONE_JOB
        return True

    def _begin(self, number: int, lane: str) -> None:
        token = tokens.new_token("glcbt-")
        if not self._pipelines.claim(number, tokens.digest(token)):
            return
        folder = self._data.job(number)
        noted = folder.trace_size()
        try:
            folder.prepare()
            spec = job_spec(
                number,
                token,
                database=self._database,
                job_context=self._job_context,
                data=self._data,
                limits=self._limits,
                isolation=self._isolation,
            )
            self._start_shepherd(folder, spec)
        except Exception as error:  # after any error, the job must not stay running without a shepherd
            without_git = isinstance(error, GitUnavailableError) and not self._conclusion.waits_for_git(number)
            if (may_pass(error) or is_unavailable(error)) and not without_git:
                folder.shorten_trace(noted)  # the next attempt writes the same
                self._put_back(number)
                raise
            folder.note(f"ERROR: Job failed (system failure): {error}")
            self._conclusion.end(number, {"status": "failed", "failure_reason": "runner_system_failure"})
            return
        self._conclusion.note_git(number)
        try:
            self._pipelines.announce(number)
        finally:  # afterwards: a job that ends at once has its events in order
            self._watch(number, lane)
        now = self._pipelines.job(number)
        if now is None or now["status"] == "canceling":  # while the shepherd was being started
            self._cancel(number)

    def _put_back(self, number: int) -> None:
        """Let a job wait again that cannot be started now, as no other one could: all would be stored as failed."""
        if not self._pipelines.requeue(number, counted=False):
            self._conclusion.end(number, {"status": "canceled"})

    def _start_shepherd(self, folder: JobFolder, spec: dict[str, Any]) -> None:
        """Start the shepherd and pass it the lock."""
        descriptor = os.open(folder.lock, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            command = (sys.executable, "-I", "-S", str(_SHEPHERD), str(folder.path), str(descriptor))
            process = start_apart(command, handing=descriptor, text=json.dumps(spec), log=folder.path / "shepherd.log")
            with contextlib.suppress(OSError):  # the job runs, and its shepherd writes the same as soon as it can
                folder.store_shepherd(process)
        finally:
            os.close(descriptor)

    def _watch(self, number: int, lane: str) -> None:
        with self._guard:
            self._running[number] = lane
        while not self._stopping:
            try:
                threading.Thread(target=self._wait, args=(number,), name=f"job {number}", daemon=True).start()
                return
            except RuntimeError as error:  # the machine allows no more threads now; no other job could start either
                log(f"job {number}: {error}; retrying")
                time.sleep(1)

    def _wait(self, number: int) -> None:
        try:
            self._data.job(number).wait()
            self._conclusion.conclude(number)
        finally:
            with self._guard:
                self._running.pop(number, None)
            self._wake.set()


def _without_failed(waiting: dict[str, int], failed: Iterable[str]) -> dict[str, int]:
    """Return the waiting lanes without those that have failed, and only those of other tokens as long as there are any.

    A token whose job has failed has no job that runs, so that it would have each next turn.
    """
    others = {lane: number for lane, number in waiting.items() if lane not in failed}
    tokens_of_failed = set(map(token_of, failed))
    return {lane: number for lane, number in others.items() if token_of(lane) not in tokens_of_failed} or others


def _seconds_to_wait(failures: int) -> float:
    return min(_PAUSE * 2 ** min(failures - 1, 10), _LONGEST_PAUSE) if failures else _LONGEST_PAUSE
