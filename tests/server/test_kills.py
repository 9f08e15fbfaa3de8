"""kill -9 of the server under load: no accepted run is lost, and none runs twice.

Five kills each, twenty in all; ``pytest --kills 20`` makes it more.
"""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from itertools import count
from pathlib import Path

import pytest
import requests
from notebook_server import NotebookServer
from postgresql import needs_postgresql
from support import write_notebook
from typing_extensions import Self
from waiting import wait_until

pytestmark = pytest.mark.slow


_WAITING = 20
"""The most runs that wait: without a limit, a slow machine executes hundreds after the last kill."""


class Load:
    """A client that starts runs while few are waiting, and remembers which were accepted."""

    def __init__(self, server: NotebookServer, *, most: int) -> None:
        self.accepted: dict[int, str] = {}
        self.unexpected: list[str] = []
        self._server = server
        self._most = most
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _work(self) -> None:
        for number in count():
            while len(self.accepted) - executions(self._server).total() >= self._most:
                if self._stop.wait(0.05):
                    return
            if self._stop.wait(0.1):
                return
            with suppress(requests.RequestException):  # the server was killed meanwhile
                answer = self._server.ask("POST", "/runs", json={"notebook": "mark.ipynb", "parameters": {"x": number}})
                if answer.status_code == 202:
                    self.accepted[number] = answer.json()["id"]
                else:
                    self.unexpected.append(answer.text)


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=needs_postgresql)])
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[NotebookServer]:
    file = tmp_path / "executed.txt"
    append = f"with open({str(file)!r}, 'a') as f:\n    f.write(f'{{x}}\\n')"
    write_notebook(tmp_path / "root" / "mark.ipynb", "x: int = 1", append, "import time\ntime.sleep(0.05)")
    file.touch()
    environment = {}
    if request.param == "postgresql":
        environment["PACKMILL_SERVE_DATABASE"] = request.getfixturevalue("database")
    options = ("--workers", "2", "--queue", "5000", "--rate-limit", "0")
    started = NotebookServer(tmp_path / "root", tmp_path / "data", *options, **environment).start()
    yield started
    started.stop()


def children(process: int) -> list[int]:
    """The processes that a process started."""
    return [int(number) for number in Path(f"/proc/{process}/task/{process}/children").read_text().split()]


def kill_under_load(server: NotebookServer, *, kills: int, workers_too: bool) -> dict[int, str]:
    """Kill the server, or its workers as well, while they execute runs; the accepted runs by their number."""
    interrupted = 2 * kills if workers_too else 0  # with their workers, and never executed
    with Load(server, most=_WAITING + interrupted) as load:
        for _ in range(kills):
            before = executions(server).total()
            wait_until(lambda before=before: executions(server).total() > before, interval=0.01)
            time.sleep(random.uniform(0, 0.1))
            assert server.process
            workers = children(server.process.pid) if workers_too else []
            server.stop(signal.SIGKILL)
            for worker in workers:
                with suppress(ProcessLookupError):
                    os.kill(worker, signal.SIGKILL)
            server.start()
    assert load.accepted
    assert load.unexpected == []
    return load.accepted


def ends(server: NotebookServer, runs: dict[int, str]) -> dict[int, tuple[str, str | None]]:
    """The states and reasons of runs once all have ended."""
    wait_until(lambda: not server.get("/runs?state=queued&state=running&limit=1")["runs"], message="all runs end")
    entities = {number: server.get(f"/runs/{run}") for number, run in runs.items()}
    return {number: (entity["state"], entity.get("reason")) for number, entity in entities.items()}


def executions(server: NotebookServer) -> Counter[int]:
    return Counter(map(int, (server.data.parent / "executed.txt").read_text().split()))


def test_kills_of_the_server_lose_no_accepted_run_and_run_none_twice(
    server: NotebookServer, request: pytest.FixtureRequest
) -> None:
    accepted = kill_under_load(server, kills=request.config.getoption("--kills"), workers_too=False)
    assert set(ends(server, accepted).values()) == {("succeeded", None)}
    executed = executions(server)

    assert set(executed.values()) == {1}
    assert executed.keys() >= accepted.keys()


def test_runs_of_killed_workers_have_one_truthful_end(server: NotebookServer, request: pytest.FixtureRequest) -> None:
    accepted = kill_under_load(server, kills=request.config.getoption("--kills"), workers_too=True)
    ended = ends(server, accepted)
    executed = executions(server)

    assert set(ended.values()) <= {("succeeded", None), ("failed", "interrupted")}
    assert set(executed.values()) == {1}
    assert executed.keys() >= {number for number, (state, _) in ended.items() if state == "succeeded"}
