"""Links that show a run to people who cannot sign in, until they expire or are removed."""

from __future__ import annotations

import time
from secrets import token_urlsafe

import sqlalchemy as sa

from generator.service.store import submissions
from generator.service.store.audit import Event, record
from generator.service.store.database import Database, Row, rows
from generator.service.store.run_tables import links
from generator.service.store.tokens import digest


def create_link(database: Database, number: int, *, user: str, expires_in: float, secret: str = "") -> str:
    """Create a link to a run; return its secret, of which only the digest is stored.

    A ``secret`` of the caller's own creates one link at most: none if that link exists, or has been removed.
    """
    once, now = bool(secret), time.time()
    secret = secret or token_urlsafe(32)
    key = digest(secret)
    values = {"id": key, "pipeline_id": number, "user": user}
    with database.transaction() as connection:
        if once and not submissions.add(connection, key):
            return secret
        connection.execute(sa.insert(links).values(**values, created_at=now, expires_at=now + expires_in))
        record(connection, Event.RUN_SHARED, number)
    return secret


def find_link(database: Database, secret: str) -> int | None:
    """Return the run of a link, None if the link is unknown, expired or removed."""
    valid = (links.c.id == digest(secret), links.c.expires_at > time.time())
    with database.connection() as connection:
        found: int | None = connection.execute(sa.select(links.c.pipeline_id).where(*valid)).scalar()
    return found


def list_links(database: Database, number: int) -> list[Row]:
    """Return the valid links to a run, oldest first."""
    mine = sa.select(links).where(links.c.pipeline_id == number, links.c.expires_at > time.time())
    with database.connection() as connection:
        return rows(connection, mine.order_by(links.c.created_at))


def remove_links(database: Database, number: int) -> None:
    """Remove all links to a run."""
    with database.transaction() as connection:
        if connection.execute(sa.delete(links).where(links.c.pipeline_id == number)).rowcount:
            record(connection, Event.RUN_UNSHARED, number)


def remove_expired_links(database: Database) -> None:
    """Remove the links that have expired, if the clock is right."""
    with database.transaction() as connection:
        connection.execute(sa.delete(links).where(links.c.expires_at < time.time()))
