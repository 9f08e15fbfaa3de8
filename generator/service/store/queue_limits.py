"""How many pipelines may wait or run."""

from __future__ import annotations

import sqlalchemy as sa

from generator.service.store import states
from generator.service.store.database import pipelines, row

_MOST, _MOST_OF_TOKEN = 20_000, 5_000
"""Pipelines that wait or run: in all, and of one token. Others fill the database, and are in use for the quota."""


class QueueFullError(Exception):
    """Too many pipelines wait or run to start or retry another one now."""


def check_room(connection: sa.Connection, user: int | None) -> None:
    """Check whether one more pipeline of a user may wait or run.

    Raises:
        QueueFullError: too many of the user, or in all, wait or run.
    """
    mine = sa.case((pipelines.c.user_id == user, 1))
    counts = sa.select(sa.func.count(), sa.func.count(mine)).where(pipelines.c.status.in_(states.active))
    total, of_user = connection.execute(counts).one()
    if of_user >= _MOST_OF_TOKEN:
        raise QueueFullError(f"{of_user} pipelines of this token wait or run; wait until some of them have ended")
    if total >= _MOST:
        raise QueueFullError(f"{total} pipelines wait or run; wait until some of them have ended")


def check_room_of(connection: sa.Connection, number: int) -> None:
    """Check whether a pipeline may be retried, which waits or runs again if it has ended.

    Raises:
        QueueFullError: it has ended, and too many of its user, or in all, wait or run.
    """
    found = row(connection, sa.select(pipelines.c.status, pipelines.c.user_id).where(pipelines.c.id == number))
    if found is not None and found["status"] not in states.active:
        check_room(connection, found["user_id"])
