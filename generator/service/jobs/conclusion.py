"""Store how a job ended, from what its shepherd left."""

from __future__ import annotations

import time
from typing import Any
from xml.etree.ElementTree import ParseError

import sqlalchemy as sa

from generator.service.jobs import junit_reports
from generator.service.jobs.cleaning import Cleaning
from generator.service.jobs.environment import JobContext
from generator.service.jobs.failure_reasons import LONGEST, describe_failure
from generator.service.jobs.spec import Limits
from generator.service.log import log
from generator.service.project.pipeline_file import Job
from generator.service.project.project import GitUnavailableError
from generator.service.store.database import Row, is_unavailable, jobs, pipelines
from generator.service.store.job_folders import DataFolder, JobFolder
from generator.service.store.pipelines import Pipelines
from generator.shared.errors import UsageError
from generator.shared.passing_errors import may_pass

_ATTEMPTS = 5
_LONGEST_PAUSE = 30.0
"""Seconds between two attempts to store a result."""
_LONGEST_WITHOUT_GIT = 3600.0
"""Seconds in which jobs of a commit wait for git: what fails for longer, like a damaged commit, may fail for ever."""
_FORGOTTEN = 2 * _LONGEST_WITHOUT_GIT
"""Seconds after which another failure of git begins a new wait."""
_NOT_STORED = "its result could not be stored"


class Conclusion:
    """Ends jobs in the database, after their shepherds."""

    def __init__(
        self, pipelines: Pipelines, job_context: JobContext, data: DataFolder, limits: Limits, cleaning: Cleaning
    ) -> None:
        self._pipelines, self._job_context, self._data, self._limits = pipelines, job_context, data, limits
        self._cleaning = cleaning
        self._without_git: dict[str, tuple[float, float]] = {}
        """The times of the first and the last failure of git for a commit."""

    def waits_for_git(self, number: int) -> bool:
        """Return whether a job for which git fails may wait.

        All jobs of its commit may for an hour, and while git answers nothing else either.
        """
        now, commit = time.monotonic(), self._commit(number)
        first, last = self._without_git.get(commit, (now, now))
        if now - last > _FORGOTTEN:
            first = now
        self._without_git[commit] = first, now
        if now - first < _LONGEST_WITHOUT_GIT:
            return True
        return not self._job_context.project.has_git()

    def note_git(self, number: int) -> None:
        """Note that git has answered for the commit of a job."""
        if self._without_git:
            self._without_git.pop(self._commit(number), None)

    def _commit(self, number: int) -> str:
        commit = sa.select(pipelines.c.sha).join(jobs, jobs.c.pipeline_id == pipelines.c.id).where(jobs.c.id == number)
        with self._pipelines.database.connection() as connection:
            return str(connection.execute(commit).scalar())

    def conclude(self, number: int) -> None:
        """Store how a job ended; after repeated errors, store it as failed.

        A full disk and an unavailable database are waited for: the job is well, and its result is kept in its folder.
        """
        attempt = failures = 0
        action = self._conclude
        while True:
            try:
                action(number)
                return
            except Exception as error:  # noqa: BLE001 - a full disk, an unavailable database, a malformed report
                log(f"job {number}: cannot store the result: {error}; retrying")
                failures += not (may_pass(error) or is_unavailable(error))
            if failures >= _ATTEMPTS:
                action = self._give_up
            time.sleep(min(attempt, _LONGEST_PAUSE))
            attempt += 1

    def _give_up(self, number: int) -> None:
        """Store a failure without anything of the job's, which may be what cannot be read or stored."""
        failure = {"status": "failed", "failure_reason": "runner_system_failure", "reason": _NOT_STORED}
        self._pipelines.update_job(number, {"finished_at": time.time(), "token_hash": None, **failure})
        self._data.job(number).note(f"ERROR: Job failed (system failure): {_NOT_STORED}")

    def _conclude(self, number: int) -> None:
        """Store how a job ended, once its shepherd has exited."""
        folder = self._data.job(number)
        job = self._pipelines.job(number)
        if job is None:
            self._cleaning.remove_leftovers(number)
            folder.remove()
            return
        result = folder.result()
        canceled = job["status"] == "canceling"
        if result is None or (result["reason"] == "canceled" and not canceled):  # a cancel is stored before its signal
            self._handle_killed_shepherd(job, folder)
            return
        reason = result["reason"]
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
        self.end(number, values)

    def end(self, number: int, values: dict[str, Any]) -> None:
        """Store how a job ended, with the reason of a failure in words."""
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

    def _handle_killed_shepherd(self, job: Row, folder: JobFolder) -> None:
        self._cleaning.end_orphans(job["id"])
        if self._is_canceling(job["id"]):  # perhaps meanwhile: ending orphans takes seconds
            self.end(job["id"], {"status": "canceled"})
        elif job["attempts"] < self._limits.attempts:
            folder.note("WARNING: the job's process was killed; running it again")
            if not self._pipelines.requeue(job["id"]):
                self.end(job["id"], {"status": "canceled"})
        else:
            folder.note(f"ERROR: Job failed (system failure): the job's process was killed {job['attempts']} times")
            self.end(job["id"], {"status": "failed", "failure_reason": "runner_system_failure"})

    def _is_canceling(self, number: int) -> bool:
        job = self._pipelines.job(number)
        return job is not None and job["status"] == "canceling"

    def _expire_in(self, job: Row) -> float | None:
        described = self._described(job)
        return described.artifacts.expire_in if described else None

    def _described(self, job: Row) -> Job | None:
        """Return a job of the pipeline file, None if it has no such job or cannot be read.

        Raises:
            GitUnavailableError: git does not answer now.
        """
        pipeline = self._pipelines.get(job["pipeline_id"])
        try:
            file = self._job_context.project.file(pipeline["sha"] if pipeline else "")
        except UsageError:
            return None
        except GitUnavailableError:
            if self.waits_for_git(job["id"]):
                raise
            return None
        self.note_git(job["id"])
        return next((one for one in file.jobs if one.name == job["name"]), None)

    def _read_junit_reports(self, folder: JobFolder, names: list[str]) -> list[dict[str, Any]] | None:
        suites = []
        for name in names:
            try:
                suites += junit_reports.read_file(folder.path / name)
            except (OSError, ParseError, ValueError, LookupError) as error:
                folder.note(f"WARNING: {name}: not a readable JUnit report: {error}")
        return suites or None
