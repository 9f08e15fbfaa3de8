"""Add the columns and indexes that a database of an earlier version lacks, or one whose first start was killed."""

from __future__ import annotations

import sqlalchemy as sa


def add_what_is_missing(engine: sa.Engine, tables: sa.MetaData) -> None:
    """Add missing columns and indexes to existing tables; ``info["fill"]`` is the SQL expression of values."""
    found = sa.inspect(engine)
    for table in tables.sorted_tables:
        present = {column["name"] for column in found.get_columns(table.name)}
        for column in table.columns:
            if column.name not in present:
                _add(engine, table, column)
        for index in table.indexes:
            index.create(engine, checkfirst=True)


def _add(engine: sa.Engine, table: sa.Table, column: sa.Column[object]) -> None:
    """Add a column that may be empty, and fill it."""
    quote = engine.dialect.identifier_preparer.quote
    kind = column.type.compile(engine.dialect)
    with engine.begin() as connection:
        if engine.dialect.name == "sqlite":
            connection.exec_driver_sql("BEGIN")  # Python's driver begins a transaction for changes of rows alone
        connection.execute(sa.text(f"ALTER TABLE {quote(table.name)} ADD COLUMN {quote(column.name)} {kind}"))
        if fill := column.info.get("fill"):
            connection.execute(sa.update(table).values({column.name: sa.text(fill)}))
