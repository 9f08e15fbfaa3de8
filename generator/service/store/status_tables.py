"""The database table of commit statuses that other services report; times are seconds since 1970, UTC."""

from __future__ import annotations

import sqlalchemy as sa

metadata = sa.MetaData()

commit_statuses = sa.Table(
    "commit_statuses",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("sha", sa.String(64), nullable=False, index=True),
    sa.Column("ref", sa.String(255), nullable=False),
    sa.Column("name", sa.String(255), nullable=False),
    sa.Column("status", sa.String(32), nullable=False),
    sa.Column("target_url", sa.Text),
    sa.Column("description", sa.String(255)),
    sa.Column("coverage", sa.Float),
    sa.Column("pipeline_id", sa.Integer),
    sa.Column("user", sa.String(255), nullable=False),
    sa.Column("user_id", sa.Integer),
    sa.Column("created_at", sa.Float, nullable=False),
    sa.Column("started_at", sa.Float),
    sa.Column("finished_at", sa.Float),
    sa.Column("replaced", sa.Boolean, nullable=False),
    sqlite_autoincrement=True,
)
"""A ``replaced`` status has a newer one of the same commit, ref and name."""
