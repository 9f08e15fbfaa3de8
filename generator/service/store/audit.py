"""The audit log: who did what, added in the transaction that does it, and never changed or removed.

An event has names and numbers only: no token, no value of a variable, no address of a hook.
"""

from __future__ import annotations

import time
from contextvars import ContextVar
from dataclasses import dataclass
from enum import Enum
from typing import Any

import sqlalchemy as sa

from generator.service.store.audit_tables import audit_events


class Event(str, Enum):
    """The events of the log."""

    TOKEN_CREATED = "token_created"  # noqa: S105 - a name
    TOKEN_REVOKED = "token_revoked"  # noqa: S105
    SIGNED_IN = "signed_in"
    SIGN_IN_FAILED = "sign_in_failed"
    SIGNED_OUT = "signed_out"
    PIPELINE_STARTED = "pipeline_started"
    PIPELINE_CANCELED = "pipeline_canceled"
    PIPELINE_RETRIED = "pipeline_retried"
    PIPELINE_DELETED = "pipeline_deleted"
    JOB_CANCELED = "job_canceled"
    JOB_RETRIED = "job_retried"
    JOB_PLAYED = "job_played"
    JOB_ERASED = "job_erased"
    ARTIFACTS_KEPT = "artifacts_kept"
    ARTIFACTS_DELETED = "artifacts_deleted"
    FILE_UPLOADED = "file_uploaded"
    HOOK_CREATED = "hook_created"
    HOOK_CHANGED = "hook_changed"
    HOOK_DELETED = "hook_deleted"
    SCHEDULE_CREATED = "schedule_created"
    SCHEDULE_CHANGED = "schedule_changed"
    SCHEDULE_DELETED = "schedule_deleted"
    RUN_SHARED = "run_shared"
    RUN_UNSHARED = "run_unshared"
    IMAGES_PRUNED = "images_pruned"

    @property
    def sentence(self) -> str:
        """The event in words."""
        return self.value.replace("_", " ").capitalize()


@dataclass(frozen=True, slots=True)
class Author:
    """The one behind an event: a token's ID and name, and the address of the request."""

    id: int
    name: str
    address: str = ""


_PACKMILL = Author(0, "packmill")
_author: ContextVar[Author] = ContextVar("author", default=_PACKMILL)


def note_author(author: Author) -> None:
    """Note who makes the request that this thread or task answers, for the events that follow in it."""
    _author.set(author)


def author_as(number: int, name: str) -> Author:
    """Return a token as an author: the noted one if it is the same, else without an address, as for a schedule."""
    found = _author.get()
    return found if found.id == number else Author(number, name)


def record(connection: sa.Connection, event: Event, target: object = "", *, author: Author | None = None) -> None:
    """Add an event to the log, in a transaction; ``target`` is a number or a name, ``author`` that of the request."""
    found = author or _author.get()
    values: dict[str, Any] = {"event": event.value, "author_id": found.id, "author_name": found.name[:255]}
    values |= {"address": found.address[:64], "target": str(target)[:255], "created_at": time.time()}
    connection.execute(sa.insert(audit_events).values(**values))


def listed(*, after: float | None = None, before: float | None = None) -> sa.Select[Any]:
    """Return the query of the events between two times in Unix seconds, newest first."""
    statement = sa.select(audit_events).order_by(audit_events.c.id.desc())
    if after is not None:
        statement = statement.where(audit_events.c.created_at >= after)
    return statement if before is None else statement.where(audit_events.c.created_at <= before)
