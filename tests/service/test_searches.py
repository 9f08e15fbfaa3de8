"""The store's search of pipelines: pages and counts."""

from __future__ import annotations

from pathlib import Path

import pytest
import sqlalchemy as sa

from generator.service.store import search as searches
from generator.service.store.database import Database, pipelines, sqlite_url


@pytest.fixture
def database(tmp_path: Path) -> Database:
    """Pipelines 1 to 12; those with even numbers build the repository *river*."""
    database = Database(sqlite_url(tmp_path / "packmill.sqlite3"))
    common = {"sha": "0" * 40, "ref": "main", "tag": False, "source": "trigger", "status": "success", "user": "ada"}
    times = dict.fromkeys(("created_at", "updated_at", "started_at", "finished_at"), 1.0)
    with database.transaction() as connection:
        for number in range(1, 13):
            value = "river" if number % 2 == 0 else "forest"
            variables = [{"key": "repository", "value": value, "variable_type": "env_var"}]
            connection.execute(sa.insert(pipelines), [{"id": number, "variables": variables, **common, **times}])
    return database


@pytest.mark.parametrize(
    ("offset", "ids", "total", "has_more"),
    [(0, [12, 10], 3, True), (2, [8, 6], 5, True), (4, [4, 2], 6, False), (6, [], 6, False)],
)
def test_a_page_of_a_search_knows_how_many_follow_up_to_a_limit(
    database: Database, monkeypatch: pytest.MonkeyPatch, offset: int, ids: list[int], total: int, has_more: bool
) -> None:
    monkeypatch.setattr(searches, "_COUNTED", 3)
    newest_first = sa.select(pipelines).order_by(pipelines.c.id.desc())

    found = searches.search(database, newest_first, "RIVER", limit=2, offset=offset)

    assert ([row["id"] for row in found.rows], found.total, found.has_more) == (ids, total, has_more)
