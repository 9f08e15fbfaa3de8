"""The rows of pipelines and jobs: create, update, retry, cancel and list them in consistent transactions."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import sqlalchemy as sa

from generator.service.project.pipeline_file import Job
from generator.service.project.project import Revision
from generator.service.store import states
from generator.service.store.audit import Event, author_as, record
from generator.service.store.database import Database, Row, Within, jobs, pipelines, row, rows
from generator.service.store.hidden_values import HiddenValues, has_secrets_of_one_run
from generator.service.store.job_rows import advance, clone_job, requeue_skipped, set_job
from generator.service.store.lanes import lane_of
from generator.service.store.queue_limits import check_room, check_room_of
from generator.service.store.run_tables import links, runs
from generator.service.store.tokens import Identity

Variables = list[dict[str, Any]]
_LARGEST = 2**31 - 1
"""The largest number that an ID column holds."""


class Pipelines:
    """The rows of one project; each of ``listeners`` is called after each change of a status."""

    def __init__(self, database: Database, hidden: HiddenValues) -> None:
        self.database, self.hidden = database, hidden
        self.listeners: list[Callable[[], None]] = []

    def on_change(self) -> None:
        """Call the listeners."""
        for listener in self.listeners:
            listener()

    def create(
        self,
        revision: Revision,
        selected: Iterable[tuple[Job, str]],
        *,
        stages: tuple[str, ...],
        source: str,
        user: Identity,
        variables: Variables,
        name: str | None,
        schedule: int | None = None,
        within: Within = lambda _connection, _number: None,
    ) -> int:
        """Create a pipeline with its jobs in one transaction; return its number.

        ``within`` adds to the transaction; an error that it raises leaves no pipeline.

        Raises:
            QueueFullError: too many pipelines of the user or in all have not ended.
        """
        now = time.time()
        lane = lane_of(user.id, next((one["value"] for one in variables if one["key"] == "repository"), ""))
        with self.database.transaction() as connection:
            check_room(connection, user.id)
            values = {"sha": revision.sha, "ref": revision.ref, "tag": revision.tag, "source": source, "name": name}
            values |= {"user": user.name, "user_id": user.id, "schedule_id": schedule}
            values |= {"status": "created", "variables": [], "created_at": now, "updated_at": now}
            made = connection.execute(sa.insert(pipelines).values(values)).inserted_primary_key
            number = int(made[0]) if made else 0
            masked = self.hidden.keep(number, variables)
            connection.execute(sa.update(pipelines).where(pipelines.c.id == number).values(variables=masked))
            connection.execute(
                sa.insert(jobs),
                [
                    {
                        "pipeline_id": number,
                        "name": job.name,
                        "stage": job.stage,
                        "stage_index": stages.index(job.stage),
                        "when": when,
                        "allow_failure": job.may_fail(when),
                        "status": "created",
                        "lane": lane,
                        "created_at": now,
                        "attempts": 0,
                        "retried": False,
                        "dotenv": {},
                    }
                    for job, when in selected
                ],
            )
            within(connection, number)
            advance(connection, number)
            record(connection, Event.PIPELINE_STARTED, number, author=author_as(user.id, user.name))
        self.on_change()
        return number

    def get(self, number: int) -> Row | None:
        """Return a pipeline's row, None if it does not exist."""
        if number > _LARGEST:
            return None
        with self.database.connection() as connection:
            return row(connection, sa.select(pipelines).where(pipelines.c.id == number))

    def variables_of(self, number: int) -> Variables:
        """Return the variables of a pipeline, masked ones without values; none if it does not exist."""
        found = self.get(number)
        return found["variables"] if found else []

    def latest(self, ref: str | None) -> Row | None:
        """Return the latest pipeline of a ref."""
        statement = sa.select(pipelines).order_by(pipelines.c.id.desc()).limit(1)
        with self.database.connection() as connection:
            return row(connection, statement.where(pipelines.c.ref == ref) if ref else statement)

    def count_and_page(self, statement: sa.Select[Any], *, limit: int, offset: int) -> tuple[int, list[Row]]:
        """Return the number of a query's rows, and one page of them."""
        with self.database.connection() as connection:
            counted = sa.select(sa.func.count()).select_from(statement.order_by(None).subquery())
            total = int(connection.execute(counted).scalar_one())
            return total, rows(connection, statement.limit(limit).offset(offset))

    def count_by_status(self) -> tuple[dict[str, int], dict[str, int]]:
        """Return how many pipelines and how many jobs have each status."""
        with self.database.connection() as connection:
            return _count_statuses(connection, pipelines), _count_statuses(connection, jobs)

    def jobs_of(self, number: int, *, with_retried: bool = True) -> list[Row]:
        """Return a pipeline's jobs, by stage and then oldest first."""
        statement = sa.select(jobs).where(jobs.c.pipeline_id == number).order_by(jobs.c.stage_index, jobs.c.id)
        with self.database.connection() as connection:
            return rows(connection, statement if with_retried else statement.where(jobs.c.retried.is_(False)))

    def job(self, number: int) -> Row | None:
        """Return a job's row, None if it does not exist."""
        if number > _LARGEST:
            return None
        with self.database.connection() as connection:
            return row(connection, sa.select(jobs).where(jobs.c.id == number))

    def claim(self, number: int, token_hash: str) -> bool:
        """Mark a pending job as running; return whether it was still pending.

        Only `announce` stores the events: a job that cannot be started now is claimed and requeued again and again.
        """
        with self.database.transaction() as connection:
            this = sa.update(jobs).where(jobs.c.id == number, jobs.c.status == "pending")
            begun = {"status": "running", "started_at": time.time(), "token_hash": token_hash, "exit_code": None}
            taken = connection.execute(
                this.values(**begun, failure_reason=None, reason=None, attempts=jobs.c.attempts + 1)
            ).rowcount
        return bool(taken)

    def announce(self, number: int) -> None:
        """Update the pipeline of a claimed job that has been started, and store the events of both."""
        with self.database.transaction() as connection:
            pipeline = connection.execute(sa.select(jobs.c.pipeline_id).where(jobs.c.id == number)).scalar()
            if pipeline is not None:
                advance(connection, pipeline)
        self.on_change()

    def update_job(
        self,
        number: int,
        values: Mapping[str, Any],
        *,
        event: Event | None = None,
        within: Within = lambda _connection, _number: None,
    ) -> None:
        """Update a job, and its pipeline accordingly; ``event`` is added to the audit log.

        ``within`` adds to the transaction; its changes to files follow those of the rows, which may fail.
        """
        with self.database.transaction() as connection:
            pipeline = connection.execute(sa.select(jobs.c.pipeline_id).where(jobs.c.id == number)).scalar()
            if pipeline is None:
                return
            connection.execute(sa.update(jobs).where(jobs.c.id == number).values(**values))
            advance(connection, pipeline)
            if event:
                record(connection, event, number)
            within(connection, number)
        self._forget_secrets([pipeline])
        self.on_change()

    def keep_artifacts(self, number: int) -> bool:
        """Keep the artifacts of a job until they are deleted; return False if it has none, or they have expired."""
        with self.database.transaction() as connection:  # excludes that they are removed meanwhile
            this = sa.update(jobs).where(jobs.c.id == number, jobs.c.artifacts_size.is_not(None))
            done = connection.execute(this.values(artifacts_expire_at=None)).rowcount
            if done:
                record(connection, Event.ARTIFACTS_KEPT, number)
        self.on_change()
        return bool(done)

    def requeue(self, number: int, *, counted: bool = True) -> bool:
        """Let a running job run again; return False if it has been canceled.

        Its attempt is not ``counted`` if it never began; then no listener is called, as in `claim`.
        """
        with self.database.transaction() as connection:
            this = sa.update(jobs).where(jobs.c.id == number, jobs.c.status == "running")
            begun = jobs.c.attempts if counted else jobs.c.attempts - 1
            values = {"status": "pending", "started_at": None, "token_hash": None, "attempts": begun}
            done = connection.execute(this.values(**values)).rowcount
            pipeline = connection.execute(sa.select(jobs.c.pipeline_id).where(jobs.c.id == number)).scalar()
            if done and pipeline is not None:
                advance(connection, pipeline)
        if counted:
            self.on_change()
        return bool(done)

    def cancel(self, number: int) -> list[int]:
        """Cancel a pipeline's unfinished jobs; return the numbers of those that run and must be ended."""
        return self.cancel_jobs([job["id"] for job in self.jobs_of(number)], pipeline=number)

    def cancel_jobs(self, numbers: Iterable[int], *, pipeline: int | None = None) -> list[int]:
        """Cancel jobs; only mark those that run, and return their numbers.

        The audit log gets an event for each job, or one for the ``pipeline`` if it was canceled as a whole.
        """
        now, canceled = time.time(), list[int]()
        with self.database.transaction() as connection:
            found = rows(connection, sa.select(jobs).where(jobs.c.id.in_(list(numbers))))
            for job in found:
                if job["status"] == "running":
                    set_job(connection, job["id"], status="canceling")
                elif job["status"] in states.active - {"canceling"} | {"manual"}:
                    set_job(connection, job["id"], status="canceled", finished_at=now)
                else:
                    continue
                canceled.append(job["id"])
            for one in canceled if pipeline is None else ():
                record(connection, Event.JOB_CANCELED, one)
            if canceled and pipeline is not None:
                record(connection, Event.PIPELINE_CANCELED, pipeline)
            changed = {job["pipeline_id"] for job in found}
            for owner in changed:
                advance(connection, owner)
        self._forget_secrets(changed)
        self.on_change()
        return [job["id"] for job in found if job["status"] in ("running", "canceling")]

    def retry(self, number: int) -> int | None:
        """Create a new job in place of one that has ended or is being canceled; return None if it cannot be retried.

        Raises:
            QueueFullError: its pipeline has ended, and too many have not.
        """
        with self.database.transaction() as connection:
            old = row(connection, sa.select(jobs).where(jobs.c.id == number))
            if old is None or old["status"] not in states.retryable or old["retried"]:
                return None
            check_room_of(connection, old["pipeline_id"])
            made = clone_job(connection, old, status="pending")
            requeue_skipped(connection, old["pipeline_id"], old["stage_index"])
            advance(connection, old["pipeline_id"])
            record(connection, Event.JOB_RETRIED, number)
        self.on_change()
        return made

    def retry_pipeline(self, number: int) -> None:
        """Create new jobs in place of those that failed, were canceled or are being canceled, and requeue skipped ones.

        Raises:
            QueueFullError: the pipeline has ended, and too many have not.
        """
        with self.database.transaction() as connection:
            check_room_of(connection, number)
            mine = rows(connection, sa.select(jobs).where(jobs.c.pipeline_id == number, jobs.c.retried.is_(False)))
            again = [job for job in mine if job["status"] in states.retryable - {"success"}]
            for job in again:
                clone_job(connection, job, status="created")
            if again:
                requeue_skipped(connection, number, min(job["stage_index"] for job in again))
                record(connection, Event.PIPELINE_RETRIED, number)
            advance(connection, number)
        self.on_change()

    def play(self, number: int) -> bool:
        """Start a manual job; return whether it was waiting to be started."""
        with self.database.transaction() as connection:
            changed = sa.update(jobs).where(jobs.c.id == number, jobs.c.status == "manual")
            done = connection.execute(changed.values(status="pending", queued_at=time.time())).rowcount
            pipeline = connection.execute(sa.select(jobs.c.pipeline_id).where(jobs.c.id == number)).scalar()
            if done and pipeline is not None:
                advance(connection, pipeline)
                record(connection, Event.JOB_PLAYED, number)
        self.on_change()
        return bool(done)

    def delete(self, number: int, *, only: sa.ColumnElement[bool] | None = None) -> list[int]:
        """Remove a pipeline's rows; return the numbers of its jobs, whose folders the caller must remove.

        A pipeline for which ``only`` is not true stays, and none of its jobs is returned.
        """
        with self.database.transaction() as connection:
            this = sa.select(pipelines.c.id).where(pipelines.c.id == number)
            if only is not None and row(connection, this.where(only)) is None:
                return []
            mine = list(connection.execute(sa.select(jobs.c.id).where(jobs.c.pipeline_id == number)).scalars())
            connection.execute(sa.delete(jobs).where(jobs.c.pipeline_id == number))
            connection.execute(sa.delete(pipelines).where(pipelines.c.id == number))
            for table in (runs, links):
                connection.execute(sa.delete(table).where(table.c.pipeline_id == number))
            record(connection, Event.PIPELINE_DELETED, number)
        self.hidden.remove(number)
        return mine

    def _forget_secrets(self, numbers: Iterable[int]) -> None:
        """Remove the values of pipelines that have ended, if they have secrets for one run only."""
        for number in numbers:
            found = self.get(number)
            if found and found["status"] in states.finished and has_secrets_of_one_run(found["variables"]):
                self.hidden.remove(number)


def _count_statuses(connection: sa.Connection, table: sa.Table) -> dict[str, int]:
    statement = sa.select(table.c.status, sa.func.count()).group_by(table.c.status)
    counts = {str(status): int(count) for status, count in connection.execute(statement)}
    return dict.fromkeys(states.statuses, 0) | counts
