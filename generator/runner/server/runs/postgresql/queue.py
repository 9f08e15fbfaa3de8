"""procrastinate's queue on a connection of ours, so that a run and its job change in one transaction.

A job belongs to one run and is deleted with its end. procrastinate's manager consists of coroutines, which wait for
nothing here.
"""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any, TypeVar

import psycopg
from procrastinate import SyncPsycopgConnector, utils
from procrastinate.jobs import Job, Status
from procrastinate.manager import JobManager, get_channel_for_queues
from typing_extensions import LiteralString

_QUEUE = "packmill"
_TASK = "packmill.run"
CHANNELS = tuple(get_channel_for_queues([_QUEUE]))
"""Where PostgreSQL notifies of new jobs."""

Connection = psycopg.Connection[dict[str, Any]]
Result = TypeVar("Result")


class Queue:
    """The jobs of runs, on one connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._jobs = JobManager(_OnConnection(connection))

    def has_tables(self) -> bool:
        """Whether procrastinate's tables exist."""
        return self._jobs.check_connection()

    def add(self, run_id: str) -> int:
        """Add a job for a run, and return its number."""
        job = Job(id=None, queue=_QUEUE, lock=None, queueing_lock=None, task_name=_TASK, task_kwargs={"run": run_id})
        return int(self._jobs.defer_job(job).id or 0)

    def fetch(self, worker: int) -> int | None:
        """Give the oldest job to a worker; other workers skip it."""
        job = _result(self._jobs.fetch_job([_QUEUE], worker))
        return job.id if job else None

    def cancel(self, job: int) -> bool:
        """Delete a job that no worker has."""
        return self._jobs.cancel_job_by_id(job, delete_job=True)

    def lock(self, job: int) -> bool:
        """Keep others from changing a job that a worker has until the transaction ends; False if no worker has it."""
        query = "SELECT 1 FROM procrastinate_jobs WHERE id = %s AND status = 'doing' FOR UPDATE"
        return self._connection.execute(query, (job,)).rowcount == 1

    def finish(self, job: int) -> None:
        """Delete a job that a worker has."""
        _result(self._jobs.finish_job_by_id_async(job, Status.SUCCEEDED, delete_job=True))

    def requeue(self, job: int) -> None:
        """Give a job back; it keeps its place."""
        self._jobs.retry_job_by_id(job, utils.utcnow())

    def stalled(self, *, seconds: float) -> list[int]:
        """Return the jobs of workers without a heartbeat for a time."""
        jobs = _result(self._jobs.get_stalled_jobs(queue=_QUEUE, seconds_since_heartbeat=seconds))
        return [job.id for job in jobs if job.id is not None]

    def register_worker(self) -> int:
        """Return the number of a new worker."""
        return _result(self._jobs.register_worker())

    def unregister_worker(self, worker: int) -> None:
        """Remove a worker; jobs that it has are stalled."""
        _result(self._jobs.unregister_worker(worker))

    def update_heartbeat(self, worker: int) -> None:
        """Note that a worker lives."""
        _result(self._jobs.update_heartbeat(worker))

    def prune_workers(self, *, seconds: float) -> None:
        """Remove workers without a heartbeat for a time."""
        _result(self._jobs.prune_stalled_workers(seconds))


class _OnConnection(SyncPsycopgConnector):
    """procrastinate's connector for PostgreSQL, on one connection and in its transaction."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        super().__init__()
        self._connection = connection

    def execute_query(self, query: LiteralString, **arguments: Any) -> None:
        self.execute_query_all_with_connection(self._connection, query, **arguments)

    def execute_query_one(self, query: LiteralString, **arguments: Any) -> dict[str, Any]:
        return self.execute_query_one_with_connection(self._connection, query, **arguments)

    def execute_query_all(self, query: LiteralString, **arguments: Any) -> list[dict[str, Any]]:
        return self.execute_query_all_with_connection(self._connection, query, **arguments)

    async def execute_query_async(self, query: LiteralString, **arguments: Any) -> None:
        self.execute_query(query, **arguments)

    async def execute_query_one_async(self, query: LiteralString, **arguments: Any) -> dict[str, Any]:
        return self.execute_query_one(query, **arguments)

    async def execute_query_all_async(self, query: LiteralString, **arguments: Any) -> list[dict[str, Any]]:
        return self.execute_query_all(query, **arguments)


def _result(coroutine: Coroutine[Any, Any, Result]) -> Result:
    try:
        coroutine.send(None)
    except StopIteration as end:
        result: Result = end.value
        return result
    raise RuntimeError("a query of the queue waited for an event loop")
