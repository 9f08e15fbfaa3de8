"""The database table of the audit log, which neither updates nor deletes rows; times are seconds since 1970, UTC."""

from __future__ import annotations

import sqlalchemy as sa

metadata = sa.MetaData()

audit_events = sa.Table(
    "audit_events",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("event", sa.String(64), nullable=False),
    sa.Column("author_id", sa.Integer, nullable=False),
    sa.Column("author_name", sa.String(255), nullable=False),
    sa.Column("address", sa.String(64), nullable=False),
    sa.Column("target", sa.String(255), nullable=False),
    sa.Column("created_at", sa.Float, nullable=False, index=True),
    sqlite_autoincrement=True,
)
"""``author_id`` is a token's, 0 for packmill itself; ``address`` is empty if no request caused the event."""

_SQLITE = "CREATE TRIGGER audit_events_no_{name} BEFORE {name} ON audit_events BEGIN SELECT RAISE(ABORT, '{why}'); END"
_POSTGRESQL = "CREATE RULE audit_events_no_{name} AS ON {name} TO audit_events DO INSTEAD NOTHING"


def _keep(_table: sa.Table, connection: sa.Connection, **_: object) -> None:
    """Let the database itself refuse that rows are changed or removed."""
    text = {"sqlite": _SQLITE, "postgresql": _POSTGRESQL}.get(connection.dialect.name, "")
    for name in ("UPDATE", "DELETE") if text else ():
        connection.execute(sa.text(text.format(name=name, why="the audit log is append-only")))


sa.event.listen(audit_events, "after_create", _keep)
