"""The rows of hooks and of their deliveries."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from typing import Any

import sqlalchemy as sa

from generator.service.store import states
from generator.service.store.audit import Event, record
from generator.service.store.database import Database, Row, pipelines, row, rows
from generator.service.store.hidden_values import HiddenValues
from generator.service.store.hook_tables import deliveries, hooks
from generator.service.store.outbox import JOB, PIPELINE, RUN, delivery
from generator.service.store.schedule_tables import schedules
from generator.shared.errors import UsageError

MOST = 100
"""The number of hooks that a project may have, which is GitLab's."""
_EVENTS = (PIPELINE, JOB)
_LARGEST = 2**31 - 1
_KEPT = 7 * 24 * 3600.0
LONGEST_PAUSE = 3600.0
"""Seconds between two attempts at a delivery, at most."""
_SLACK = 60.0
_MOST_OF_NOTIFICATION = 100
"""Ended deliveries of an address that was given with a pipeline or a schedule: nobody sees its log."""


class Hooks:
    """The hooks of one project; secrets of a hook are files that only the service's user may read.

    ``on_change`` is called when a delivery has become due.
    """

    def __init__(self, database: Database, hidden: HiddenValues, on_change: Callable[[], None] = lambda: None) -> None:
        self._database, self._hidden, self.on_change = database, hidden, on_change

    def all(self) -> list[Row]:
        """Return all hooks of the project, oldest first."""
        with self._database.connection() as connection:
            return rows(connection, sa.select(hooks).where(_of_project()).order_by(hooks.c.id))

    def get(self, number: int) -> Row | None:
        """Return a hook, None if it does not exist."""
        with self._database.connection() as connection:
            return _find(connection, hooks, number)

    def create(self, *, url: str, token: str, **fields: Any) -> int | None:
        """Create a hook; return its number, None if there are too many hooks."""
        with self._database.transaction() as connection:
            counted = sa.select(sa.func.count()).select_from(hooks).where(_of_project())
            if connection.execute(counted).scalar_one() >= MOST:
                return None
            values = {**fields, "target": [], "created_at": time.time()}
            made = connection.execute(sa.insert(hooks).values(values)).inserted_primary_key
            number = int(made[0]) if made else 0
            self._keep(connection, number, url=url, token=token)
            record(connection, Event.HOOK_CREATED, number)
        return number

    def add_notification(
        self,
        connection: sa.Connection,
        *,
        url: str,
        token: str,
        pipeline: int | None = None,
        schedule: int | None = None,
    ) -> None:
        """Add an address that gets the end of a pipeline, or of each pipeline of a schedule, in a transaction."""
        values = {"target": [], "events": [RUN], "verify": True, "created_at": time.time()}
        values |= {"pipeline_id": pipeline, "schedule_id": schedule}
        made = connection.execute(sa.insert(hooks).values(values)).inserted_primary_key
        self._keep(connection, int(made[0]) if made else 0, url=url, token=token)

    def replace_notification(self, connection: sa.Connection, schedule: int, *, url: str, token: str) -> None:
        """Replace the address that gets the ends of a schedule's pipelines, in a transaction; none if it is empty."""
        mine = sa.select(hooks.c.id).where(hooks.c.schedule_id == schedule)
        connection.execute(sa.delete(deliveries).where(deliveries.c.hook_id.in_(mine)))
        connection.execute(sa.delete(hooks).where(hooks.c.schedule_id == schedule))
        # the schedule may have been deleted meanwhile
        exists = connection.execute(sa.select(schedules.c.id).where(schedules.c.id == schedule)).first()
        if url and exists:
            self.add_notification(connection, url=url, token=token, schedule=schedule)

    def notifications(self, *, pipeline: int | None = None, schedule: int | None = None) -> list[Row]:
        """Return the hooks of a pipeline or of a schedule."""
        mine = hooks.c.pipeline_id == pipeline if schedule is None else hooks.c.schedule_id == schedule
        with self._database.connection() as connection:
            return rows(connection, sa.select(hooks).where(mine).order_by(hooks.c.id))

    def update(
        self, number: int, *, url: str | None, token: str | None, events: Mapping[str, bool], **fields: Any
    ) -> None:
        """Change a hook: None keeps its URL or its token, ``events`` has whether it gets those that are in it."""
        with self._database.transaction() as connection:  # excludes another change meanwhile
            found = _find(connection, hooks, number)
            if found is None:
                return
            flags = {**dict.fromkeys(found["events"], True), **events}
            values = {**fields, "events": [event for event in _EVENTS if flags.get(event)]}
            connection.execute(sa.update(hooks).where(hooks.c.id == number).values(**values))
            old = ("", "")
            with suppress(UsageError):
                old = self.secrets(found)
            given = (old[0] if url is None else url, old[1] if token is None else token)
            self._keep(connection, number, url=given[0], token=given[1], before=found["target"])
            record(connection, Event.HOOK_CHANGED, number)
        self._settle(number)

    def _settle(self, number: int) -> None:
        with self._database.transaction() as connection:  # excludes another change meanwhile
            if found := _find(connection, hooks, number):
                self._hidden.settle(number, found["target"])

    def _keep(
        self, connection: sa.Connection, number: int, *, url: str, token: str, before: Sequence[dict[str, Any]] = ()
    ) -> None:
        """Store url and token, the parts that may be secret outside of the database."""
        given = [{"key": "url", "value": url}, {"key": "token", "value": token}]
        masked = self._hidden.keep(number, given, before=before)
        connection.execute(sa.update(hooks).where(hooks.c.id == number).values(target=masked))

    def secrets(self, hook: Row) -> tuple[str, str]:
        """Return the URL and the secret token of a hook.

        Raises:
            UsageError: they are no longer stored.
        """
        try:
            found = self._hidden.restore(hook["id"], hook["target"])
        except UsageError:
            raise UsageError("URL and token of the hook are no longer stored; set them again") from None
        given = {one["key"]: str(one["value"]) for one in found}
        return given["url"], given["token"]

    def delete(self, number: int) -> None:
        """Remove a hook with its deliveries."""
        with self._database.transaction() as connection:
            connection.execute(sa.delete(deliveries).where(deliveries.c.hook_id == number))
            connection.execute(sa.delete(hooks).where(hooks.c.id == number))
            record(connection, Event.HOOK_DELETED, number)
        self._hidden.remove(number)

    def add_delivery(self, hook: int, event: str, happened: Mapping[str, Any], *, pending: bool = True) -> int:
        """Store a delivery; return its number. One that is not ``pending`` is sent by the caller.

        Raises:
            LookupError: the hook was deleted meanwhile.
        """
        values = delivery(hook, event, happened) | ({} if pending else {"status": "failed"})
        with self._database.transaction() as connection:
            if _find(connection, hooks, hook) is None:
                raise LookupError(hook)
            made = connection.execute(sa.insert(deliveries).values(values)).inserted_primary_key
        self.on_change()
        return int(made[0]) if made else 0

    def delivery(self, number: int) -> Row | None:
        """Return a delivery, None if it does not exist."""
        with self._database.connection() as connection:
            return _find(connection, deliveries, number)

    def deliveries_of(self, hook: int, *, response_statuses: Collection[range] = ()) -> sa.Select[Any]:
        """Return the query of a hook's deliveries that were attempted, newest first.

        With ``response_statuses``, only those whose response has one of these.
        """
        mine = sa.select(deliveries).where(deliveries.c.hook_id == hook, deliveries.c.attempts > 0)
        if response_statuses:
            found = deliveries.c.response_status
            mine = mine.where(sa.or_(*(found.between(one.start, one.stop - 1) for one in response_statuses)))
        return mine.order_by(deliveries.c.id.desc())

    def due(self) -> list[tuple[int, int]]:
        """Return the hooks with due deliveries, each with the number of the first one.

        Hooks of the project come first, then those of schedules: every token that may start pipelines adds others.

        A time that is further away than any pause was set by a clock that was ahead: the delivery is due.
        """
        first = sa.func.min(deliveries.c.id)
        statement = sa.select(deliveries.c.hook_id, first).outerjoin(hooks, hooks.c.id == deliveries.c.hook_id)
        statement = statement.group_by(deliveries.c.hook_id, hooks.c.pipeline_id, hooks.c.schedule_id)
        statement = statement.order_by(hooks.c.pipeline_id.is_not(None), hooks.c.schedule_id.is_not(None), first)
        now = time.time()
        is_due = sa.or_(
            deliveries.c.next_attempt_at <= now, deliveries.c.next_attempt_at > now + LONGEST_PAUSE + _SLACK
        )
        pending = (deliveries.c.status == "pending", is_due)
        with self._database.connection() as connection:
            return [(int(hook), int(number)) for hook, number in connection.execute(statement.where(*pending))]

    def next_attempt_at(self, *, without: Collection[int]) -> float | None:
        """Return when the next delivery of other hooks is due, None if none is pending."""
        pending = (deliveries.c.status == "pending", deliveries.c.hook_id.not_in(without))
        statement = sa.select(sa.func.min(deliveries.c.next_attempt_at)).where(*pending)
        with self._database.connection() as connection:
            found: float | None = connection.execute(statement).scalar()
        return found

    def update_delivery(self, number: int, values: Mapping[str, Any]) -> None:
        """Store the outcome of an attempt."""
        with self._database.transaction() as connection:
            connection.execute(sa.update(deliveries).where(deliveries.c.id == number).values(**values))

    def count_deliveries(self) -> dict[str, int]:
        """Return how many stored deliveries have each status."""
        statement = sa.select(deliveries.c.status, sa.func.count()).group_by(deliveries.c.status)
        with self._database.connection() as connection:
            found = {str(status): int(count) for status, count in connection.execute(statement)}
        return {"pending": 0, "delivered": 0, "failed": 0, **found}

    def remove_old(self) -> None:
        """Remove the deliveries that ended and are older than a week, and the hooks of runs that ended before.

        Of a notification's deliveries that ended, the latest stay: a pipeline can be retried and canceled without end.
        """
        old = (deliveries.c.status != "pending", deliveries.c.created_at < time.time() - _KEPT)
        recent = pipelines.c.status.in_(states.active) | (pipelines.c.finished_at > time.time() - _KEPT)
        over = (
            hooks.c.pipeline_id.is_not(None),
            hooks.c.pipeline_id.not_in(sa.select(pipelines.c.id).where(recent)),
            hooks.c.id.not_in(sa.select(deliveries.c.hook_id)),
        )
        with self._database.transaction() as connection:
            connection.execute(sa.delete(deliveries).where(*old))
            connection.execute(sa.delete(deliveries).where(deliveries.c.id.in_(_excess_of_notifications())))
            connection.execute(sa.delete(hooks).where(*over))
            known = set(connection.execute(sa.select(hooks.c.id)).scalars())
            self._hidden.remove_others(known)


def _of_project() -> sa.ColumnElement[bool]:
    return sa.and_(hooks.c.pipeline_id.is_(None), hooks.c.schedule_id.is_(None))


def _excess_of_notifications() -> sa.Select[Any]:
    place = sa.func.row_number().over(partition_by=deliveries.c.hook_id, order_by=deliveries.c.id.desc())
    ended = sa.select(deliveries.c.id, place.label("place")).join(hooks, hooks.c.id == deliveries.c.hook_id)
    found = ended.where(sa.not_(_of_project()), deliveries.c.status != "pending").subquery()
    return sa.select(found.c.id).where(found.c.place > _MOST_OF_NOTIFICATION)


def _find(connection: sa.Connection, table: sa.Table, number: int) -> Row | None:
    return row(connection, sa.select(table).where(table.c.id == number)) if number <= _LARGEST else None
