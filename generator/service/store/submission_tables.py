"""The database table of submitted forms; times are seconds since 1970, UTC."""

from __future__ import annotations

import sqlalchemy as sa

metadata = sa.MetaData()

submissions = sa.Table(
    "submissions",
    metadata,
    sa.Column("id", sa.String(64), primary_key=True),
    sa.Column("address", sa.Text, nullable=False),
    sa.Column("created_at", sa.Float, nullable=False, index=True),
)
"""Forms that created something; ``address`` is the page of what each of them created, empty for links."""
