"""The database tables of hooks and their deliveries; times are seconds since 1970, UTC."""

from __future__ import annotations

import sqlalchemy as sa

metadata = sa.MetaData()

hooks = sa.Table(
    "hooks",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("target", sa.JSON, nullable=False),
    sa.Column("events", sa.JSON, nullable=False),
    sa.Column("name", sa.String(255)),
    sa.Column("description", sa.Text),
    sa.Column("verify", sa.Boolean, nullable=False),
    sa.Column("created_at", sa.Float, nullable=False),
    sa.Column("pipeline_id", sa.Integer, index=True),
    sa.Column("schedule_id", sa.Integer, index=True),
    sqlite_autoincrement=True,
)
"""``target``: the variables ``url`` and ``token``; those of ``hidden`` ones are stored elsewhere, as for pipelines.

A hook with ``pipeline_id`` gets the end of this pipeline, one with ``schedule_id`` that of each of the schedule.
"""

deliveries = sa.Table(
    "hook_deliveries",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("hook_id", sa.ForeignKey("hooks.id", ondelete="CASCADE"), nullable=False, index=True),
    sa.Column("event", sa.String(32), nullable=False),
    sa.Column("happened", sa.JSON, nullable=False),
    sa.Column("status", sa.String(16), nullable=False, index=True),
    sa.Column("created_at", sa.Float, nullable=False, index=True),
    sa.Column("next_attempt_at", sa.Float, nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("response_status", sa.Integer),
    sa.Column("response_headers", sa.JSON),
    sa.Column("response_body", sa.Text),
    sa.Column("seconds", sa.Float),
    sa.Column("error", sa.Text),
    sqlite_autoincrement=True,
)
"""``status``: pending, delivered or failed; ``happened``: the pipeline and its jobs at the time of the event."""
