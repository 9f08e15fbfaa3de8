"""The database table of runs of packages: what people may read of the values that a pipeline runs a package on."""

from __future__ import annotations

import sqlalchemy as sa

metadata = sa.MetaData()

runs = sa.Table(
    "runs",
    metadata,
    sa.Column("pipeline_id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("job", sa.Integer, nullable=False, index=True),
    sa.Column("folder", sa.Text, nullable=False),
    sa.Column("process", sa.Text, nullable=False),
    sa.Column("values", sa.JSON, nullable=False),
    sa.Column("withheld", sa.JSON, nullable=False),
)
"""``job`` built the package in ``folder`` of its artifacts. ``withheld``: inputs whose values are not stored here."""

links = sa.Table(
    "run_links",
    metadata,
    sa.Column("id", sa.String(64), primary_key=True),
    sa.Column("pipeline_id", sa.Integer, nullable=False, index=True),
    sa.Column("user", sa.String(255), nullable=False),
    sa.Column("created_at", sa.Float, nullable=False),
    sa.Column("expires_at", sa.Float, nullable=False),
)
"""Links that show a run to people who cannot sign in; ``id`` is the digest of the secret in the address."""
