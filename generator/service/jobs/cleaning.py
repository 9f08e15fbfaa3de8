"""Remove what jobs leave, and what no job needs any more."""

from __future__ import annotations

import time

import sqlalchemy as sa

from generator.service.jobs import leftovers
from generator.service.jobs.isolation import Isolation
from generator.service.retention.ended import remove_old_uploads
from generator.service.store import submissions, tokens
from generator.service.store.database import Database, jobs, rows
from generator.service.store.job_folders import DataFolder
from generator.service.store.pipelines import Pipelines
from generator.service.store.run_links import remove_expired_links
from generator.service.store.run_tables import runs
from generator.service.store.schedule_tables import schedules


class Cleaning:
    """Removes containers, processes, folders and rows of jobs."""

    def __init__(self, pipelines: Pipelines, data: DataFolder, isolation: Isolation) -> None:
        self._pipelines, self._data, self._isolation = pipelines, data, isolation
        self._database: Database = pipelines.database

    def remove_leftovers(self, number: int) -> None:
        """End the containers of a finished job, then remove its work and temporary folders."""
        labels = self._data.labels(number)
        leftovers.end_containers(lambda value: value in labels)
        self._data.remove_work(number)

    def end_orphans(self, number: int) -> None:
        """End the processes of a job whose shepherd was killed, and remove its leftovers."""
        self._data.job(number).end_orphans(self._data.work(number), everything=self._isolation.confined)
        self.remove_leftovers(number)

    def end_containers(self) -> None:
        """End the containers of this data folder's finished jobs."""
        folders = [label.rpartition("-")[0] for label in self._data.labels(0)]

        def is_over(value: str) -> bool:
            folder, _, number = value.rpartition("-")
            return folder in folders and number.isdecimal() and not self._data.job(int(number)).has_shepherd()

        leftovers.end_containers(is_over)

    def remove_orphaned_folders(self) -> None:
        """Remove folders without a job, which a service that was killed while deleting leaves behind."""
        with self._database.connection() as connection:
            known = set(connection.execute(sa.select(jobs.c.id)).scalars())
        for number in self._data.leftovers():
            if not self._data.job(number).has_shepherd():
                self.end_orphans(number)
        for number in self._data.numbers():
            if number not in known and not self._data.job(number).has_shepherd():
                self._data.job(number).remove()

    def remove_expired(self) -> None:
        """Remove what has expired, and hidden values and uploads that no job needs any more."""
        remove_expired_links(self._database)
        tokens.remove_expired_sessions(self._database)
        submissions.remove_old(self._database)
        self._pipelines.hidden.remove_old(self._database)
        with self._database.transaction() as connection:  # excludes that a schedule is created meanwhile
            self._data.schedule_values.remove_others(set(connection.execute(sa.select(schedules.c.id)).scalars()))
        remove_old_uploads(self._data, self._database)
        with self._database.connection() as connection:
            self._data.run_files.remove_stale(connection.execute(sa.select(runs.c.pipeline_id)).scalars())
            over = rows(connection, sa.select(jobs.c.id).where(jobs.c.artifacts_expire_at < time.time()))
        for job in over:
            with self._database.transaction() as connection:  # excludes that they are kept meanwhile
                gone = {"artifacts_size": None, "artifacts_expire_at": None}
                this = sa.update(jobs).where(jobs.c.id == job["id"], jobs.c.artifacts_expire_at < time.time())
                if connection.execute(this.values(**gone)).rowcount:
                    self._data.job(job["id"]).remove_artifacts()
