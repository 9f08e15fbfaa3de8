"""The order in which jobs of several tokens and repositories start, and how many pipelines may wait."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa
from ci_service import TRIGGER, Service

from generator.service.jobs.turns import Turns
from generator.service.store.database import Database, jobs, pipelines, sqlite_url
from generator.service.store.job_folders import DataFolder
from generator.service.store.lanes import lane_of

_ENDED = 1000
"""The number of a canceled pipeline, and of its job."""


class Queue:
    """Jobs that wait, one of which runs at a time."""

    def __init__(self) -> None:
        self._turns, self._numbers = Turns(), itertools.count(1)
        self._waiting: dict[str, list[int]] = {}

    def add(self, token: int, *repositories: str) -> None:
        for repository in repositories:
            self._waiting.setdefault(lane_of(token, repository), []).append(next(self._numbers))

    def start(self, count: int, *, running: tuple[str, ...] = ()) -> list[str]:
        """Start jobs one after another; return their lanes."""
        return [self._start(running) for _ in range(count)]

    def _start(self, running: tuple[str, ...]) -> str:
        lane = self._turns.choose({lane: numbers[0] for lane, numbers in self._waiting.items()}, running)
        self._waiting[lane].pop(0)
        if not self._waiting[lane]:
            del self._waiting[lane]
        return lane


@pytest.fixture
def queue() -> Queue:
    return Queue()


def test_repositories_of_a_token_take_turns(queue: Queue) -> None:
    queue.add(1, "a", "a", "a", "b", "b")

    assert queue.start(5) == ["1 a", "1 b", "1 a", "1 b", "1 a"]


def test_no_number_of_repositories_takes_the_turns_of_another_token(queue: Queue) -> None:
    """A repository is any text of a client, and jobs that run a package have none."""
    queue.add(1, "", "")
    queue.add(2, *(f"https://h/x{number}" for number in range(200)))

    assert queue.start(4) == ["1 ", "2 https://h/x0", "1 ", "2 https://h/x1"]


def test_new_repositories_wait_behind_those_that_wait(queue: Queue) -> None:
    queue.add(1, "a", "a", "b", "c")
    assert queue.start(2) == ["1 a", "1 b"]

    for number in range(2):
        queue.add(1, f"new{number}")

    assert queue.start(4) == ["1 c", "1 a", "1 new0", "1 new1"]


def test_a_stream_of_new_repositories_keeps_no_job_waiting(queue: Queue) -> None:
    queue.add(1, "a", "a")
    started = list[str]()
    for number in range(10):
        queue.add(1, f"new{number}")
        started += queue.start(1)

    assert "1 a" in started[1:4]


def test_a_token_with_fewer_running_jobs_comes_first(queue: Queue) -> None:
    queue.add(1, "a")
    queue.add(2, "b")

    assert queue.start(1, running=("1 x", "2 y", "1 z")) == ["2 b"]


def test_so_many_pipelines_of_a_token_may_wait(another_service: Callable[..., Service]) -> None:
    """They are in use, so that nothing makes room for others, and each keeps up to a megabyte of variables."""
    service = another_service()
    first = service.trigger()
    service.wait(first)
    _leave_waiting(service.data, like=first, count=5000)

    form = {"token": TRIGGER, "ref": "main"}
    answers = [service.ask("POST", "/trigger/pipeline", token="", data=form)]
    answers += [service.ask("POST", f"/{path}/retry") for path in (f"pipelines/{_ENDED}", f"jobs/{_ENDED}")]

    assert [(one.status_code, one.headers["Retry-After"]) for one in answers] == [(429, "60")] * 3
    assert "5000 pipelines of this token wait or run" in answers[0].json()["message"]["base"][0]
    assert service.ask("POST", "/pipeline", data={"ref": "main"}).status_code == 201


def _leave_waiting(data: Path, *, like: int, count: int) -> None:
    """Store a canceled pipeline like another one, and further ones that wait for ever: they have no jobs."""
    database = Database(sqlite_url(DataFolder(data).database))
    with database.transaction() as connection:
        pipeline = dict(connection.execute(sa.select(pipelines).where(pipelines.c.id == like)).mappings().one())
        job = dict(connection.execute(sa.select(jobs).where(jobs.c.pipeline_id == like)).mappings().first() or {})
        canceled = {"id": _ENDED, "status": "canceled"}
        connection.execute(sa.insert(pipelines), [pipeline | canceled])
        connection.execute(sa.insert(jobs), [job | canceled | {"pipeline_id": _ENDED}])
        del pipeline["id"]
        connection.execute(sa.insert(pipelines), [pipeline | {"status": "created"}] * count)
    database.close()
