"""The job queue: choose and start jobs, collect their results, and recover after a crash.

One thread starts jobs, and one thread per running job waits for it. Each job runs under a shepherd
(`generator.service.jobs.shepherd`), a process that outlives the service. A restarted service adopts the jobs that still
run, collects the results of those that ended meanwhile, and reruns those whose shepherd was killed too.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import math
import os
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import ParseError

import sqlalchemy as sa

from generator.service.jobs import junit_reports, leftovers
from generator.service.jobs.environment import JobContext
from generator.service.jobs.failure_reasons import LONGEST, describe_failure
from generator.service.jobs.isolation import Isolation
from generator.service.jobs.spec import Limits, job_spec
from generator.service.project.pipeline_file import Job
from generator.service.store import tokens
from generator.service.store.database import Database, Row, jobs, rows
from generator.service.store.job_folders import DataFolder, JobFolder
from generator.service.store.pipelines import Pipelines
from generator.service.store.run_links import remove_expired_links
from generator.service.store.run_tables import runs
from generator.shared.clock_watch import ClockWatch
from generator.shared.errors import UsageError
from generator.subprocesses import start_apart

_SHEPHERD = Path(__file__).with_name("shepherd.py")


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
        """Prepare the scheduler; ``prepare`` is called once, before the first job starts."""
        self._pipelines, self._job_context, self._data, self._limits = queue, job_context, data, limits
        self._isolation, self._prepare = isolation, prepare
        self._database: Database = queue.database
        self._wake = threading.Event()
        self._stopping = False
        self._running: dict[int, str] = {}
        self._served: dict[str, int] = {}
        self._turn = 0
        self._guard, self._starting = threading.Lock(), threading.Lock()
        self._thread = threading.Thread(target=self._run_queue, name="scheduler", daemon=True)
        queue.listeners.append(self._wake.set)

    def start(self) -> None:
        """Recover the jobs of an earlier service, then start the queue."""
        self._remove_orphaned_folders()
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
        """End running jobs."""
        for number in numbers:
            self._data.job(number).cancel()

    def _find_running(self) -> list[Row]:
        with self._database.connection() as connection:
            return rows(connection, sa.select(jobs).where(jobs.c.status.in_(("running", "canceling"))))

    def _resume(self, job: Row) -> None:
        folder = self._data.job(job["id"])
        if folder.has_shepherd():
            self._watch(job["id"], job["lane"])
            if job["status"] == "canceling":
                folder.cancel()
        else:
            self._conclude_with_retries(job["id"])

    def _run_queue(self) -> None:
        cleaned, clock = -math.inf, ClockWatch(memory=self._data.clock)
        self._prepare()
        self._end_containers()
        while not self._stopping:
            self._wake.clear()
            try:
                while not self._stopping and self._start_next_unless_held():
                    pass
                clock.look()
                if time.monotonic() - cleaned > 300 and clock.is_settled:
                    cleaned = time.monotonic()
                    self._remove_expired()
            except Exception as error:  # noqa: BLE001 - a full disk or an unavailable database must not end the queue
                print(f"packmill: job queue: {error}; retrying", file=sys.stderr, flush=True)
                time.sleep(1)
            self._wake.wait(timeout=30)

    def _start_next_unless_held(self) -> bool:
        with self._starting:
            return self._start_next()

    def _start_next(self) -> bool:
        with self._guard:
            if len(self._running) >= self._limits.concurrent:
                return False
            busy = Counter(self._running.values())
        with self._database.connection() as connection:
            waiting = rows(
                connection, sa.select(jobs.c.id, jobs.c.lane).where(jobs.c.status == "pending").order_by(jobs.c.id)
            )
        if not waiting:
            return False
        chosen = min(waiting, key=lambda job: (busy[job["lane"]], self._served.get(job["lane"], 0), job["id"]))
        self._turn += 1
        self._served[chosen["lane"]] = self._turn
        if len(self._served) > 10_000:
            self._served.clear()
        self._begin(chosen["id"], chosen["lane"])
        return True

    def _begin(self, number: int, lane: str) -> None:
        token = tokens.new_token("glcbt-")
        if not self._pipelines.claim(number, tokens.digest(token)):
            return
        folder = self._data.job(number)
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
        except Exception as error:  # noqa: BLE001 - after any error, the job must not stay running without a shepherd
            folder.note(f"ERROR: Job failed (system failure): {error}")
            self._end(number, {"status": "failed", "failure_reason": "runner_system_failure"})
            return
        self._watch(number, lane)
        now = self._pipelines.job(number)
        if now is None or now["status"] == "canceling":  # while the shepherd was being started
            folder.cancel()

    def _start_shepherd(self, folder: JobFolder, spec: dict[str, Any]) -> None:
        """Start the shepherd and pass it the lock."""
        descriptor = os.open(folder.lock, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            command = (sys.executable, "-I", "-S", str(_SHEPHERD), str(folder.path), str(descriptor))
            process = start_apart(command, handing=descriptor, text=json.dumps(spec), log=folder.path / "shepherd.log")
            (folder.path / "pid").write_text(str(process))
        finally:
            os.close(descriptor)

    def _watch(self, number: int, lane: str) -> None:
        with self._guard:
            self._running[number] = lane
        threading.Thread(target=self._wait, args=(number,), name=f"job {number}", daemon=True).start()

    def _wait(self, number: int) -> None:
        self._data.job(number).wait()
        self._conclude_with_retries(number)
        with self._guard:
            self._running.pop(number, None)
        self._wake.set()

    def _conclude_with_retries(self, number: int) -> None:
        """Store how a job ended; after repeated errors, store it as failed."""
        for attempt in range(5):
            try:
                self._conclude(number)
                return
            except Exception as error:  # noqa: BLE001 - a full disk, an unavailable database, a malformed report
                print(f"packmill: job {number}: cannot store the result: {error}", file=sys.stderr, flush=True)
                time.sleep(attempt)
        with contextlib.suppress(sa.exc.SQLAlchemyError):  # otherwise the next service concludes it
            self._data.job(number).note("ERROR: Job failed (system failure): its result could not be stored")
            self._end(number, {"status": "failed", "failure_reason": "runner_system_failure"})

    def _conclude(self, number: int) -> None:
        """Store how a job ended, once its shepherd has exited."""
        folder = self._data.job(number)
        job = self._pipelines.job(number)
        if job is None:
            self._remove_leftovers(number)
            folder.remove()
            return
        result = folder.result()
        if result is None:
            self._handle_killed_shepherd(job, folder)
            return
        reason = result["reason"]
        canceled = reason == "canceled" or job["status"] == "canceling"
        expires = self._expire_in(job)
        values = {
            "status": "canceled" if canceled else "failed" if reason else "success",
            "failure_reason": None if canceled else reason,
            "exit_code": result["exit_code"],
            "dotenv": result["dotenv"],
            "artifacts_size": result["artifacts_size"],
            "artifacts_expire_at": result["finished_at"] + expires if result["artifacts_size"] and expires else None,
            "finished_at": result["finished_at"],
            "tests": self._read_junit_reports(folder, result["junit"]),
        }
        self._end(number, values)

    def _expire_in(self, job: Row) -> float | None:
        described = self._described(job)
        return described.artifacts.expire_in if described else None

    def _described(self, job: Row) -> Job | None:
        """Return a job of the pipeline file, None if it has no such job or cannot be read."""
        pipeline = self._pipelines.get(job["pipeline_id"])
        try:
            file = self._job_context.project.file(pipeline["sha"] if pipeline else "")
        except UsageError:
            return None
        return next((one for one in file.jobs if one.name == job["name"]), None)

    def _read_junit_reports(self, folder: JobFolder, names: list[str]) -> list[dict[str, Any]] | None:
        suites = []
        for name in names:
            try:
                suites += junit_reports.read((folder.path / name).read_bytes())
            except (OSError, ParseError, ValueError, LookupError) as error:
                folder.note(f"WARNING: {name}: not a readable JUnit report: {error}")
        return suites or None

    def _handle_killed_shepherd(self, job: Row, folder: JobFolder) -> None:
        folder.end_orphans(self._data.work(job["id"]), everything=self._isolation.confined)
        self._remove_leftovers(job["id"])
        if job["status"] == "canceling":
            self._end(job["id"], {"status": "canceled"})
        elif job["attempts"] < self._limits.attempts:
            folder.note("WARNING: the job's process was killed; running it again")
            self._pipelines.update_job(job["id"], {"status": "pending", "started_at": None, "token_hash": None})
        else:
            folder.note(f"ERROR: Job failed (system failure): the job's process was killed {job['attempts']} times")
            self._end(job["id"], {"status": "failed", "failure_reason": "runner_system_failure"})

    def _end(self, number: int, values: dict[str, Any]) -> None:
        if values["status"] == "failed":
            kind = values["failure_reason"]
            code = values.get("exit_code") if kind == "script_failure" else None
            reason = describe_failure(kind, values.get("exit_code"), self._data.job(number).trace)[:LONGEST]
            values = {"allow_failure": self._may_fail(number, code), "reason": reason, **values}
        self._pipelines.update_job(number, {"finished_at": time.time(), "token_hash": None, **values})

    def _may_fail(self, number: int, exit_code: int | None) -> bool:
        job = self._pipelines.job(number)
        described = self._described(job) if job else None
        return bool(job and described and described.may_fail(job["when"], exit_code))

    def _remove_leftovers(self, number: int) -> None:
        """End the containers of a finished job, then remove its work and temporary folders."""
        label = self._data.label(number)
        leftovers.end_containers(lambda value: value == label)
        self._data.remove_work(number)

    def _end_containers(self) -> None:
        """End the containers of this data folder's finished jobs."""
        prefix = self._data.label(0)[:-1]

        def is_over(value: str) -> bool:
            number = value.removeprefix(prefix)
            return value.startswith(prefix) and number.isdecimal() and not self._data.job(int(number)).has_shepherd()

        leftovers.end_containers(is_over)

    def _remove_orphaned_folders(self) -> None:
        """Remove folders without a job, which a service that was killed while deleting leaves behind."""
        with self._database.connection() as connection:
            known = set(connection.execute(sa.select(jobs.c.id)).scalars())
        for number in self._data.leftovers():
            folder = self._data.job(number)
            if not folder.has_shepherd():
                folder.end_orphans(self._data.work(number), everything=self._isolation.confined)
                self._remove_leftovers(number)
        for number in self._data.numbers():
            if number not in known and not self._data.job(number).has_shepherd():
                self._data.job(number).remove()

    def _remove_expired(self) -> None:
        """Remove expired artifacts, links and sessions, and hidden values and uploads that no job needs any more."""
        remove_expired_links(self._database)
        tokens.remove_expired_sessions(self._database)
        self._pipelines.hidden.remove_old(self._database)
        self._data.uploads.remove_old()
        with self._database.connection() as connection:
            self._data.run_files.remove_stale(connection.execute(sa.select(runs.c.pipeline_id)).scalars())
            over = rows(connection, sa.select(jobs.c.id).where(jobs.c.artifacts_expire_at < time.time()))
        for job in over:
            with self._database.transaction() as connection:  # excludes that they are kept meanwhile
                gone = {"artifacts_size": None, "artifacts_expire_at": None}
                this = sa.update(jobs).where(jobs.c.id == job["id"], jobs.c.artifacts_expire_at < time.time())
                if connection.execute(this.values(**gone)).rowcount:
                    self._data.job(job["id"]).remove_artifacts()
