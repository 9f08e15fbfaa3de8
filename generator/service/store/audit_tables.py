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

_WHY = "the audit log is append-only"
_SQLITE = [
    f"CREATE TRIGGER IF NOT EXISTS audit_events_no_{name} BEFORE {name} ON audit_events "
    f"BEGIN SELECT RAISE(ABORT, '{_WHY}'); END"
    for name in ("UPDATE", "DELETE")
]
_POSTGRESQL = [
    f"""
    CREATE OR REPLACE FUNCTION audit_events_refuse() RETURNS trigger LANGUAGE plpgsql
    AS $$ BEGIN RAISE EXCEPTION '{_WHY}'; END $$
    """,
    """
    CREATE TRIGGER audit_events_keep BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_events
    FOR EACH STATEMENT EXECUTE FUNCTION audit_events_refuse()
    """,
]
_HAS_TRIGGER = "SELECT 1 FROM pg_trigger WHERE tgname = 'audit_events_keep'"


def refuse_changes(engine: sa.Engine) -> None:
    """Let the database itself refuse that rows are changed or removed.

    At every start, because a kill may have come between the table and its triggers.
    """
    with engine.begin() as connection:
        if engine.dialect.name == "sqlite":
            statements = _SQLITE
        elif connection.execute(sa.text(_HAS_TRIGGER)).first():  # replacing it would wait for the writers
            return
        else:
            statements = _POSTGRESQL
        for statement in statements:
            connection.execute(sa.text(statement))
