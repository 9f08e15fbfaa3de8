"""Commit statuses: jobs, and what other services report."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import gitlab
import pytest
from ci_service import ACCESS, TRIGGER, Service

from generator.service.store import commit_statuses
from generator.service.store.commit_statuses import CommitStatuses
from generator.service.store.database import Database, sqlite_url
from generator.service.store.tokens import Identity


@pytest.fixture
def commit(service: Service) -> Any:
    return gitlab.Gitlab(service.url, private_token=ACCESS).projects.get(1).commits.get("main")


def test_a_status_changes_until_it_is_finished(service: Service, commit: Any) -> None:
    number = service.trigger()
    first = commit.statuses.create({"state": "pending", "name": "review", "target_url": "https://example.org/1"})
    second = commit.statuses.create({"state": "running", "name": "review", "description": "half", "coverage": 12.5})
    third = commit.statuses.create({"state": "success", "name": "review"})
    fourth = commit.statuses.create({"state": "failed", "name": "review"})

    assert first.id == second.id == third.id != fourth.id
    assert (third.status, third.target_url, third.description) == ("success", "https://example.org/1", "half")
    assert (third.coverage, third.author["username"], third.ref) == (12.5, "access", "main")
    assert third.started_at is not None
    assert third.pipeline_id >= number
    shown = commit.statuses.list(name="review", get_all=True)
    assert [(one.id, one.status) for one in shown] == [(fourth.id, "failed")]
    assert len(commit.statuses.list(name="review", all="true", get_all=True)) == 2


def test_jobs_are_statuses_of_their_commit(service: Service, commit: Any) -> None:
    number = service.trigger(script="exit 3")
    service.wait(number)
    mine = {one.name: one for one in commit.statuses.list(pipeline_id=number, get_all=True)}

    assert {name: one.status for name, one in mine.items()} == {"one": "failed", "two": "skipped"}
    assert mine["one"].target_url.endswith(f"/ada/toy/-/jobs/{mine['one'].id}")
    first = service.ask("GET", f"/repository/commits/{commit.id}/statuses?per_page=1&sort=desc&order_by=pipeline_id")
    assert (len(first.json()), int(first.headers["X-Total"]) >= 2) == (1, True)


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"state": "odd"}, 400),
        ({"state": None}, 400),
        ({"target_url": "javascript:alert(1)"}, 400),
        ({"description": "x" * 300}, 400),
        ({"name": ["a"]}, 400),
        ({"coverage": "nan"}, 400),
        ({"coverage": 101}, 400),
        ({"ref": "nowhere"}, 404),
        ({"pipeline_id": 999999}, 404),
        ({"pipeline_id": "x"}, 400),
    ],
)
def test_a_status_that_cannot_be_meant_is_refused(
    service: Service, commit: Any, change: dict[str, Any], status: int
) -> None:
    given = {name: value for name, value in {"state": "success", **change}.items() if value is not None}

    assert service.ask("POST", f"/statuses/{commit.id}", json=given).status_code == status


def test_statuses_are_reported_by_tokens_that_may_change_something(service: Service, commit: Any) -> None:
    path = f"/statuses/{commit.id}"

    assert service.ask("POST", path, json={"state": "success"}, token=TRIGGER).status_code == 403
    assert service.ask("POST", path, json={"state": "success"}, token="").status_code == 401
    assert service.ask("POST", "/statuses/0123456789", json={"state": "success"}).status_code == 404


@pytest.fixture
def report(tmp_path: Path) -> Iterator[Callable[..., int | None]]:
    """Reports a check of a commit that has ended."""
    database = Database(sqlite_url(tmp_path / "x.sqlite3"))

    def report(name: str, token: int = 1, role: str = "run") -> int | None:
        user = Identity(id=token, name="ada", scopes=frozenset({"api"}), role=role)
        given: dict[str, Any] = {"sha": "a", "ref": "main", "name": name, "status": "success", "user": user}
        return CommitStatuses(database).report(**given, fields={"pipeline_id": 1})

    yield report
    database.close()


def test_a_token_has_a_share_of_the_statuses_of_a_commit(
    report: Callable[..., int | None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """None can be deleted."""
    monkeypatch.setattr(commit_statuses, "_SHARE", 2)

    made = [report("one"), report("two"), report("three"), report("three", token=2), report("four", role="admin")]

    assert made == [1, 2, None, 3, 4]


def test_a_check_of_each_hour_is_reported_for_ever_and_its_oldest_statuses_go(
    report: Callable[..., int | None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A branch may have no new commit for months."""
    monkeypatch.setattr(commit_statuses, "_SHARE", 2)
    monkeypatch.setattr(commit_statuses, "_MOST", 2)
    monkeypatch.setattr(commit_statuses, "_MOST_REPLACED", 3)

    assert [report(name) for name in ("hourly", "other", *["hourly"] * 8)] == [*range(1, 11)]
    with closing(sqlite3.connect(tmp_path / "x.sqlite3")) as plain:
        stored = plain.execute("SELECT id, name, replaced FROM commit_statuses ORDER BY id").fetchall()
    assert stored == [(2, "other", 0), (7, "hourly", 1), (8, "hourly", 1), (9, "hourly", 1), (10, "hourly", 0)]
