"""The database table of the data folder that the rows belong to."""

from __future__ import annotations

import sqlalchemy as sa

metadata = sa.MetaData()

data_folders = sa.Table("data_folders", metadata, sa.Column("id", sa.String(64), primary_key=True))
"""One row, stored by the first start of the service: the ID in the folder's file ``instance``."""
