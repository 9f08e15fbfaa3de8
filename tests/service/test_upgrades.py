"""A database of an earlier version, whose first start with this one is killed at any of its changes."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from generator.service.store import tokens
from generator.service.store.database import Database, pipelines, sqlite_url

_CHANGES = ("ALTER", "CREATE", "UPDATE")
_ROW = {"sha": "0", "ref": "main", "tag": False, "source": "api", "status": "failed", "user": "ada", "variables": []}


class KilledError(Exception):
    """The process was killed."""


@contextmanager
def _killed_at(change: int) -> Iterator[None]:
    numbers = count()

    def kill(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        if statement.lstrip().startswith(_CHANGES) and next(numbers) == change:
            raise KilledError

    sa.event.listen(Engine, "before_cursor_execute", kill)
    try:
        yield
    finally:
        sa.event.remove(Engine, "before_cursor_execute", kill)


def _content(file: Path) -> tuple[Any, ...]:
    """Return tables, indexes and triggers, and the rows that upgrades fill."""
    Database(sqlite_url(file)).close()
    with closing(sqlite3.connect(file)) as plain:
        names = set(plain.execute("SELECT type, name FROM sqlite_master"))
        return names, *(plain.execute(f"SELECT * FROM {table}").fetchall() for table in ("pipelines", "tokens"))


@pytest.fixture
def earlier(tmp_path: Path) -> Path:
    """A database without a table, without columns that later versions added, and without an index."""
    file = tmp_path / "earlier.sqlite3"
    database = Database(sqlite_url(file))
    tokens.create(database, name="ada", scopes=["api"])
    with database.transaction() as connection:
        connection.execute(sa.insert(pipelines).values(**_ROW, created_at=0.0, updated_at=0.0))
    database.close()
    with closing(sqlite3.connect(file)) as plain:
        plain.execute("DROP INDEX ix_pipelines_status_user_id")
        for column in ("pipelines DROP COLUMN announced", "pipelines DROP COLUMN user_id", "tokens DROP COLUMN role"):
            plain.execute(f"ALTER TABLE {column}")
        plain.execute("DROP TABLE submissions")
        plain.execute("DROP INDEX ix_jobs_token_hash")
    return file


def test_an_upgrade_that_is_killed_is_finished_by_the_next_start(earlier: Path, tmp_path: Path) -> None:
    whole = Path(shutil.copy(earlier, tmp_path / "whole.sqlite3"))
    expected = _content(whole)
    assert expected[1][0][-2:] == ("failed", 1)
    assert {("index", "ix_jobs_token_hash"), ("index", "ix_pipelines_status_user_id")} <= expected[0]
    for change in count():
        file = Path(shutil.copy(earlier, tmp_path / f"{change}.sqlite3"))
        with _killed_at(change):
            try:
                Database(sqlite_url(file)).close()
            except KilledError:
                pass
            else:
                break
        assert _content(file) == expected, change
    assert change > 7


def test_a_database_that_kept_the_space_of_deleted_rows_returns_it_after_a_vacuum(tmp_path: Path) -> None:
    """``packmill prune --yes`` ends with one."""
    file = tmp_path / "earlier.sqlite3"
    with closing(sqlite3.connect(file)) as plain:
        plain.executescript("PRAGMA auto_vacuum = NONE; CREATE TABLE other (text)")
    database = Database(sqlite_url(file))
    sizes = []
    for _ in range(2):
        with database.transaction() as connection:
            connection.execute(sa.text("INSERT INTO other VALUES (zeroblob(1000000))"))
        with database.transaction() as connection:
            connection.execute(sa.text("DELETE FROM other"))
        database.give_back()
        sizes.append(file.stat().st_size)
        database.forget_deleted()
    database.close()

    assert sizes[0] > 1_000_000 > sizes[1]
