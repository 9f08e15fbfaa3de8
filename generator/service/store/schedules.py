"""The rows of schedules."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timezone
from typing import Any

import sqlalchemy as sa

from generator.service.store import states
from generator.service.store.audit import Event, record
from generator.service.store.database import Database, Row, Within, jobs, pipelines, row, rows
from generator.service.store.hidden_values import HiddenValues
from generator.service.store.hook_tables import deliveries, hooks
from generator.service.store.schedule_tables import schedules
from generator.shared.cron_times import UNREADABLE_TIMES, next_time

Variables = list[dict[str, Any]]
MOST, SHARE = 1000, 250
"""The number of schedules that a project may have, and of those of one token without the role ``admin``."""
_OF_TIME = ("cron", "cron_timezone", "active")
_LARGEST = 2**31 - 1
_STEP = 300.0
"""Seconds; a clock that is set back by fewer repeats no pipeline."""


class AlreadyStartedError(Exception):
    """The pipeline of a due time exists, or the schedule has changed since it was read."""


class Schedules:
    """The schedules of one project; their secret values are files that only the service's user may read.

    ``on_change`` is called when a schedule has changed.
    """

    def __init__(self, database: Database, hidden: HiddenValues, on_change: Callable[[], None] = lambda: None) -> None:
        self._database, self._hidden, self.on_change = database, hidden, on_change

    def all(self, *, active: bool | None = None) -> list[Row]:
        """Return all schedules, or those that are active or not, oldest first."""
        statement = sa.select(schedules).order_by(schedules.c.id)
        if active is not None:
            statement = statement.where(schedules.c.active.is_(active))
        with self._database.connection() as connection:
            return rows(connection, statement)

    def get(self, number: int) -> Row | None:
        """Return a schedule, None if it does not exist."""
        if number > _LARGEST:
            return None
        with self._database.connection() as connection:
            return row(connection, sa.select(schedules).where(schedules.c.id == number))

    def create(
        self,
        variables: Variables,
        *,
        share: int = MOST,
        package: int | None = None,
        within: Within = lambda _connection, _number: None,
        **fields: Any,
    ) -> int | None:
        """Create a schedule; return its number, None if there are too many, or ``share`` of its user.

        ``package`` is the job whose artifacts its pipelines need: they are kept. ``within`` adds to the transaction.
        """
        now = time.time()
        values = {**fields, "variables": [], "created_at": now, "updated_at": now, **_following(fields, now)}
        with self._database.transaction() as connection:
            of_user = sa.func.count(sa.case((schedules.c.user_id == fields["user_id"], 1)))
            total, mine = connection.execute(sa.select(sa.func.count(), of_user).select_from(schedules)).one()
            if total >= MOST or mine >= share:
                return None
            made = connection.execute(sa.insert(schedules).values(values)).inserted_primary_key
            number = int(made[0]) if made else 0
            self._keep(connection, number, variables)
            if package is not None:
                _keep_package(connection, package)
            within(connection, number)
            record(connection, Event.SCHEDULE_CREATED, number)
        self.on_change()
        return number

    def update(
        self,
        number: int,
        *,
        within: Within = lambda _connection, _number: None,
        **fields: Any,
    ) -> None:
        """Change a schedule; its next time is computed again if the expression, the zone or its activity changes.

        A next time that could not be computed before is computed again, too. ``within`` adds to the transaction.
        """
        with self._database.transaction() as connection:  # excludes another change meanwhile
            found = row(connection, sa.select(schedules).where(schedules.c.id == number))
            if found is not None:
                after = {**found, **fields}
                is_missing = found["active"] and found["next_run_at"] is None
                if is_missing or any(after[name] != found[name] for name in _OF_TIME):
                    fields |= _following(after, time.time())
                _change(connection, number, **fields)
                within(connection, number)
        self.on_change()

    def change_variables(
        self,
        number: int,
        change: Callable[[Variables], Variables],
        *,
        package_of: Callable[[Variables], int | None] = lambda _: None,
    ) -> None:
        """Replace the variables of a schedule by what ``change`` returns for them; its error changes nothing.

        ``package_of`` returns the job whose artifacts its pipelines need: they are kept.

        Raises:
            UsageError: their values are no longer stored.
        """
        with self._database.transaction() as connection:  # excludes another change meanwhile
            found = row(connection, sa.select(schedules).where(schedules.c.id == number))
            if found is not None:
                changed = change(self.variables(found))
                self._keep(connection, number, changed, before=found["variables"])
                if (package := package_of(changed)) is not None:
                    _keep_package(connection, package)
                _change(connection, number)
        self._settle(number)
        self.on_change()

    def _settle(self, number: int) -> None:
        with self._database.transaction() as connection:  # excludes another change meanwhile
            if found := row(connection, sa.select(schedules).where(schedules.c.id == number)):
                self._hidden.settle(number, found["variables"])

    def delete(self, number: int) -> None:
        """Remove a schedule and its notifications; its pipelines stay."""
        with self._database.transaction() as connection:
            mine = sa.select(hooks.c.id).where(hooks.c.schedule_id == number)
            connection.execute(sa.delete(deliveries).where(deliveries.c.hook_id.in_(mine)))
            connection.execute(sa.delete(hooks).where(hooks.c.schedule_id == number))
            connection.execute(sa.delete(schedules).where(schedules.c.id == number))
            record(connection, Event.SCHEDULE_DELETED, number)
        self._hidden.remove(number)

    def variables(self, schedule: Row) -> Variables:
        """Return the variables of a schedule with their values.

        Raises:
            UsageError: they are no longer stored.
        """
        found = self._hidden.restore(schedule["id"], schedule["variables"])
        return [{name: value for name, value in one.items() if name != "hidden"} for one in found]

    def due(self) -> list[Row]:
        """Return the schedules whose time has come and whose last pipeline has ended, the longest due first."""
        ended = sa.or_(pipelines.c.id.is_(None), pipelines.c.status.not_in(states.active))
        statement = sa.select(schedules).outerjoin(pipelines, pipelines.c.id == schedules.c.last_pipeline)
        statement = statement.where(schedules.c.next_run_at <= time.time(), ended).order_by(schedules.c.next_run_at)
        with self._database.connection() as connection:
            return rows(connection, statement)

    def first_due(self) -> float | None:
        """Return the next time of any schedule that has not come yet."""
        statement = sa.select(sa.func.min(schedules.c.next_run_at)).where(schedules.c.next_run_at > time.time())
        with self._database.connection() as connection:
            found: float | None = connection.execute(statement).scalar()
        return found

    def bring_forward(self) -> None:
        """Compute the times again that were computed while the clock was ahead, and are too late by the present one."""
        now, changed = time.time(), 0
        later = sa.select(schedules).where(schedules.c.next_run_at > now + _STEP)
        with self._database.transaction() as connection:
            for schedule in rows(connection, later):
                following = _following({**schedule}, now + _STEP)["next_run_at"]
                if following is not None and following < schedule["next_run_at"]:
                    this = sa.update(schedules).where(schedules.c.id == schedule["id"], _same(schedule))
                    changed += connection.execute(this.values(next_run_at=following)).rowcount
        if changed:
            self.on_change()

    def advance(self, connection: sa.Connection, schedule: Row, *, pipeline: int | None, problem: str | None) -> None:
        """Set the next time of a schedule whose time has come; all times that have passed count as this one.

        If it cannot be computed, as for a time zone that this machine does not have, the problem has the reason.

        Raises:
            AlreadyStartedError: the time has been handled, or the schedule was changed or removed.
        """
        now = time.time()
        this = sa.update(schedules).where(schedules.c.id == schedule["id"])
        values = _following({**schedule}, now, problem=problem)
        values |= {"last_pipeline": pipeline} if pipeline else {}
        if not connection.execute(this.where(_same(schedule)).values(values)).rowcount:
            raise AlreadyStartedError

    def note_problem(self, schedule: Row, problem: str) -> None:
        """Set the next time of a schedule whose pipeline could not start.

        Raises:
            AlreadyStartedError: the schedule was changed or removed.
        """
        with self._database.transaction() as connection:
            self.advance(connection, schedule, pipeline=None, problem=problem)

    def note_late(self, schedule: Row, problem: str) -> None:
        """Store why the pipeline of a due schedule cannot start now; its time stays, so that it is tried again."""
        with self._database.transaction() as connection:
            this = sa.update(schedules).where(schedules.c.id == schedule["id"], _same(schedule))
            connection.execute(this.values(problem=problem))

    def note_pipeline(self, connection: sa.Connection, number: int, pipeline: int) -> None:
        """Store the pipeline that was started out of turn."""
        this = sa.update(schedules).where(schedules.c.id == number)
        has_none = sa.and_(schedules.c.active, schedules.c.next_run_at.is_(None))  # the problem remains
        problem = sa.case((has_none, schedules.c.problem), else_=None)
        connection.execute(this.values(last_pipeline=pipeline, problem=problem))

    def _keep(
        self, connection: sa.Connection, number: int, variables: Variables, *, before: Sequence[dict[str, Any]] = ()
    ) -> None:
        masked = self._hidden.keep(number, variables, before=before)
        connection.execute(sa.update(schedules).where(schedules.c.id == number).values(variables=masked))


def _keep_package(connection: sa.Connection, job: int) -> None:
    """Keep the artifacts of a job, whose package the runs of a schedule need, until they are deleted."""
    this = sa.update(jobs).where(jobs.c.id == job, jobs.c.artifacts_expire_at.is_not(None))
    if connection.execute(this.values(artifacts_expire_at=None)).rowcount:
        record(connection, Event.ARTIFACTS_KEPT, job)


def _change(connection: sa.Connection, number: int, **fields: Any) -> None:
    this = sa.update(schedules).where(schedules.c.id == number)
    connection.execute(this.values(**{"problem": None, **fields}, updated_at=time.time()))
    record(connection, Event.SCHEDULE_CHANGED, number)


def _following(schedule: Mapping[str, Any], now: float, *, problem: str | None = None) -> dict[str, Any]:
    """Return the columns of the next time of a schedule, and of its problem."""
    try:
        return {"next_run_at": _next(schedule, now), "problem": problem}
    except UNREADABLE_TIMES as error:
        text = f"no next time: {schedule['cron']} {schedule['cron_timezone']}: {error}; change the schedule"
        return {"next_run_at": None, "problem": "; ".join(filter(None, (problem, text)))}


def _next(schedule: Mapping[str, Any], now: float) -> float | None:
    if not schedule["active"]:
        return None
    found = next_time(datetime.fromtimestamp(now, timezone.utc), schedule["cron"], schedule["cron_timezone"])
    return found.timestamp() if found else None


def _same(schedule: Row) -> sa.ColumnElement[bool]:
    """Return the condition that a due schedule has not been handled or changed meanwhile."""
    return sa.and_(schedules.c.next_run_at == schedule["next_run_at"], schedules.c.updated_at == schedule["updated_at"])
