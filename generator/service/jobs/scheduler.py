"""The queue: which job is next, its shepherd, and what remains after either was killed.

One thread starts jobs; one more waits for each that runs. A job is looked after by a shepherd
(`generator.service.jobs.shepherd`), a process that outlives the service: a service that comes back adopts the jobs that
still run, takes the results of those that ended meanwhile, and runs again those whose shepherd was killed too.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import ParseError

import sqlalchemy as sa

from generator.service.jobs import junit_reports, leftovers
from generator.service.jobs.environment import Surroundings
from generator.service.jobs.isolation import Isolation
from generator.service.jobs.spec import Limits, job_spec
from generator.service.store import tokens
from generator.service.store.database import Database, Row, jobs, rows
from generator.service.store.job_folders import DataFolder, JobFolder
from generator.service.store.pipelines import Pipelines
from generator.shared.errors import UsageError
from generator.subprocesses import start_apart

_SHEPHERD = Path(__file__).with_name("shepherd.py")


class Scheduler:
    """Starts and ends the jobs of a project."""

    def __init__(
        self,
        queue: Pipelines,
        around: Surroundings,
        data: DataFolder,
        limits: Limits,
        *,
        isolation: Isolation,
        prepare: Callable[[], None] = lambda: None,
    ) -> None:
        """Take the queue's parts; ``prepare`` is called once, before the first job is started."""
        self._pipelines, self._around, self._data, self._limits = queue, around, data, limits
        self._isolation, self._prepare = isolation, prepare
        self._database: Database = queue.database
        self._wake = threading.Event()
        self._stopping = False
        self._running: dict[int, str] = {}
        self._served: dict[str, int] = {}
        self._turn = 0
        self._guard = threading.Lock()
        self._thread = threading.Thread(target=self._work, name="scheduler", daemon=True)
        queue.on_change = self._wake.set

    def start(self) -> None:
        """Takes up what an earlier service left, then the queue."""
        self._remove_what_is_no_job_s()
        for job in self._left_running():
            self._resume(job)
        self._thread.start()

    def stop(self) -> None:
        """Starts no more jobs; those that run go on, and the next service adopts them."""
        self._stopping = True
        self._wake.set()
        self._thread.join(timeout=5)

    def cancel(self, numbers: Sequence[int]) -> None:
        """Ends jobs that run."""
        for number in numbers:
            self._data.job(number).cancel()

    def _left_running(self) -> list[Row]:
        with self._database.reading() as connection:
            return rows(connection, sa.select(jobs).where(jobs.c.status.in_(("running", "canceling"))))

    def _resume(self, job: Row) -> None:
        folder = self._data.job(job["id"])
        if folder.is_tended():
            self._watch(job["id"], job["lane"])
            if job["status"] == "canceling":
                folder.cancel()
        else:
            self._conclude_surely(job["id"])

    def _work(self) -> None:
        cleaned = 0.0
        self._prepare()
        self._end_containers()
        while not self._stopping:
            self._wake.clear()
            try:
                while not self._stopping and self._start_next():
                    pass
                if time.monotonic() - cleaned > 300:
                    cleaned = time.monotonic()
                    self._remove_expired()
            except Exception as error:  # noqa: BLE001 - a full disk or a database that is away must not end the queue
                print(f"packmill: the queue stumbled and goes on: {error}", file=sys.stderr, flush=True)
                time.sleep(1)
            self._wake.wait(timeout=30)

    def _start_next(self) -> bool:
        with self._guard:
            if len(self._running) >= self._limits.concurrent:
                return False
            busy = Counter(self._running.values())
        with self._database.reading() as connection:
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
                around=self._around,
                data=self._data,
                limits=self._limits,
                isolation=self._isolation,
            )
            self._herd(folder, spec)
        except Exception as error:  # noqa: BLE001 - whatever it is, the job must not be left running without a shepherd
            self._end(number, {"status": "failed", "failure_reason": "runner_system_failure"})
            folder.note(f"ERROR: Job failed (system failure): {error}")
            return
        self._watch(number, lane)
        now = self._pipelines.job(number)
        if now is None or now["status"] == "canceling":  # while the shepherd was being started
            folder.cancel()

    def _herd(self, folder: JobFolder, spec: dict[str, Any]) -> None:
        """Starts the shepherd with the lock in its hands."""
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
        self._conclude_surely(number)
        with self._guard:
            self._running.pop(number, None)
        self._wake.set()

    def _conclude_surely(self, number: int) -> None:
        """Keeps how a job ended, if need be without what cannot be kept of it."""
        for attempt in range(5):
            try:
                self._conclude(number)
                return
            except Exception as error:  # noqa: BLE001 - a full disk, a database that is away, a report that is odd
                print(f"packmill: job {number}: its end is not yet kept: {error}", file=sys.stderr, flush=True)
                time.sleep(attempt)
        with contextlib.suppress(sa.exc.SQLAlchemyError):  # otherwise the next service concludes it
            self._end(number, {"status": "failed", "failure_reason": "runner_system_failure"})
            self._data.job(number).note("ERROR: Job failed (system failure): its end could not be kept")

    def _conclude(self, number: int) -> None:
        """Keeps how a job ended whose shepherd is gone."""
        folder = self._data.job(number)
        job = self._pipelines.job(number)
        if job is None:
            self._remove_leftovers(number)
            folder.remove()
            return
        result = folder.result()
        if result is None:
            self._after_a_killed_shepherd(job, folder)
            return
        reason = result["reason"]
        canceled = reason == "canceled" or job["status"] == "canceling"
        expires = self._expiry(job)
        values = {
            "status": "canceled" if canceled else "failed" if reason else "success",
            "failure_reason": None if canceled else reason,
            "exit_code": result["exit_code"],
            "dotenv": result["dotenv"],
            "artifacts_size": result["artifacts_size"],
            "artifacts_expire_at": result["finished_at"] + expires if result["artifacts_size"] and expires else None,
            "finished_at": result["finished_at"],
            "tests": self._tests(folder, result["junit"]),
        }
        self._end(number, values)

    def _expiry(self, job: Row) -> float | None:
        pipeline = self._pipelines.get(job["pipeline_id"])
        try:
            file = self._around.project.file(pipeline["sha"] if pipeline else "")
        except UsageError:
            return None
        return next((one.artifacts.expire_in for one in file.jobs if one.name == job["name"]), None)

    def _tests(self, folder: JobFolder, names: list[str]) -> list[dict[str, Any]] | None:
        suites = []
        for name in names:
            try:
                suites += junit_reports.read((folder.path / name).read_bytes())
            except (OSError, ParseError, ValueError, LookupError) as error:
                folder.note(f"WARNING: {name}: no JUnit report that can be read: {error}")
        return suites or None

    def _after_a_killed_shepherd(self, job: Row, folder: JobFolder) -> None:
        folder.end_orphans(self._data.work(job["id"]), everything=self._isolation.confined)
        self._remove_leftovers(job["id"])
        if job["status"] == "canceling":
            self._end(job["id"], {"status": "canceled"})
        elif job["attempts"] < self._limits.attempts:
            folder.note("WARNING: the job was interrupted from outside; it runs again")
            self._pipelines.update_job(job["id"], {"status": "pending", "started_at": None, "token_hash": None})
        else:
            folder.note(f"ERROR: Job failed (system failure): interrupted from outside {job['attempts']} times")
            self._end(job["id"], {"status": "failed", "failure_reason": "runner_system_failure"})

    def _end(self, number: int, values: dict[str, Any]) -> None:
        self._pipelines.update_job(number, {"finished_at": time.time(), "token_hash": None, **values})

    def _remove_leftovers(self, number: int) -> None:
        """End the containers of a job that is over, then remove its work and temporary folders."""
        label = self._data.label(number)
        leftovers.end_containers(lambda value: value == label)
        self._data.remove_work(number)

    def _end_containers(self) -> None:
        """End the containers of all jobs of this data folder that are over."""
        prefix = self._data.label(0)[:-1]

        def is_over(value: str) -> bool:
            number = value.removeprefix(prefix)
            return value.startswith(prefix) and number.isdecimal() and not self._data.job(int(number)).is_tended()

        leftovers.end_containers(is_over)

    def _remove_what_is_no_job_s(self) -> None:
        """Removes what a service that was killed while it deleted has left."""
        with self._database.reading() as connection:
            known = set(connection.execute(sa.select(jobs.c.id)).scalars())
        for number in self._data.leftovers():
            folder = self._data.job(number)
            if not folder.is_tended():
                folder.end_orphans(self._data.work(number), everything=self._isolation.confined)
                self._remove_leftovers(number)
        for number in self._data.numbers():
            if number not in known and not self._data.job(number).is_tended():
                self._data.job(number).remove()

    def _remove_expired(self) -> None:
        """Removes artifacts whose time is over, and hidden values that no job needs any more."""
        self._pipelines.hidden.remove_old(self._database)
        with self._database.reading() as connection:
            over = rows(connection, sa.select(jobs.c.id).where(jobs.c.artifacts_expire_at < time.time()))
        for job in over:
            self._data.job(job["id"]).remove_artifacts()
            with self._database.writing() as connection:
                gone = {"artifacts_size": None, "artifacts_expire_at": None}
                connection.execute(sa.update(jobs).where(jobs.c.id == job["id"]).values(**gone))
