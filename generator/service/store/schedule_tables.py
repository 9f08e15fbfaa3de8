"""The database table of schedules; times are seconds since 1970, UTC."""

from __future__ import annotations

import sqlalchemy as sa

metadata = sa.MetaData()

schedules = sa.Table(
    "schedules",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("description", sa.String(255), nullable=False),
    sa.Column("ref", sa.String(255), nullable=False),
    sa.Column("cron", sa.String(255), nullable=False),
    sa.Column("cron_timezone", sa.String(64), nullable=False),
    sa.Column("active", sa.Boolean, nullable=False),
    sa.Column("variables", sa.JSON, nullable=False),
    sa.Column("user", sa.String(255), nullable=False),
    sa.Column("user_id", sa.Integer, nullable=False),
    sa.Column("created_at", sa.Float, nullable=False),
    sa.Column("updated_at", sa.Float, nullable=False),
    sa.Column("next_run_at", sa.Float, index=True),
    sa.Column("last_pipeline", sa.Integer),
    sa.Column("problem", sa.Text),
    sqlite_autoincrement=True,
)
"""``variables`` as of pipelines; ``next_run_at`` is empty while a schedule is inactive, or if no time follows.

``problem``: why the last due pipeline could not start, or why an active schedule has no next time.
"""
