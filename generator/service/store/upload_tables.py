"""The database table of who owns uploaded files."""

from __future__ import annotations

import sqlalchemy as sa

metadata = sa.MetaData()

upload_owners = sa.Table(
    "upload_owners",
    metadata,
    sa.Column("place", sa.String(800), primary_key=True),
    sa.Column("user_id", sa.Integer, nullable=False),
)
"""``place`` is NAME/VERSION/FILE. It stays its owner's after the file was removed: a schedule may still name it."""
