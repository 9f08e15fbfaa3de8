"""Submitted forms with the address of what each of them created, kept for as long as a form can be submitted again."""

from __future__ import annotations

import time

import sqlalchemy as sa

from generator.service.store.database import Database
from generator.service.store.submission_tables import submissions

_KEPT = 24 * 3600
"""Seconds; the form token of a page is valid for twelve hours at most."""


def find_address(database: Database, key: str) -> str | None:
    """Return the address of what a submitted form created, None if it has created nothing."""
    with database.connection() as connection:
        found: str | None = connection.execute(sa.select(submissions.c.address).where(submissions.c.id == key)).scalar()
    return found


def add_address(database: Database, key: str, address: str) -> None:
    """Store the address of what a submitted form created."""
    with database.transaction() as connection:
        add(connection, key, address)


def add(connection: sa.Connection, key: str, address: str = "") -> bool:
    """Store what a submitted form created, in a transaction; return False if it is stored already."""
    if connection.execute(sa.select(submissions.c.id).where(submissions.c.id == key)).first():
        return False
    values = {"id": key, "address": address, "created_at": time.time()}
    connection.execute(sa.insert(submissions).values(**values))
    return True


def remove_old(database: Database) -> None:
    """Remove the forms that can no longer be submitted again, if the clock is right."""
    with database.transaction() as connection:
        connection.execute(sa.delete(submissions).where(submissions.c.created_at < time.time() - _KEPT))
