"""Several servers on one PostgreSQL database: they share runs and schedules, and survive outages."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psycopg
import pytest
from notebook_server import NotebookServer, write_notebooks
from postgresql import Cluster, needs_postgresql
from support import write_notebook
from typing_extensions import LiteralString
from waiting import processes_naming, wait_until

pytestmark = [needs_postgresql, pytest.mark.slow]


class Replicas:
    """Servers that share notebooks, a data folder and a database."""

    def __init__(self, folder: Path, database: str) -> None:
        self.folder, self.database = folder, database
        self.executed = folder / "executed.txt"
        write_notebooks(folder / "root")
        append = f"with open({str(self.executed)!r}, 'a') as f:\n    f.write(f'{{x}}\\n')"
        write_notebook(folder / "root" / "mark.ipynb", "x: int = 1", append)
        self.servers: list[NotebookServer] = []

    def start(self, *options: str, fresh: bool = False) -> NotebookServer:
        server = NotebookServer(
            self.folder / "root", self.folder / "data", *options, fresh=fresh, PACKMILL_SERVE_DATABASE=self.database
        )
        server.log = self.folder / f"{len(self.servers)}.log"
        self.servers.append(server)
        return server.start()

    def query(self, query: LiteralString) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.database) as connection:
            return connection.execute(query).fetchall()

    def count(self) -> dict[str, int]:
        """The number of runs by state."""
        return dict(self.query("SELECT state, count(*) FROM packmill_run GROUP BY 1"))

    def wait_until_all_ended(self) -> None:
        wait_until(lambda: not self.count().keys() & {"queued", "running"}, seconds=180)

    def workers(self) -> Counter[int]:
        """The number of runs by server process."""
        return Counter(int(worker.split("-")[0]) for (worker,) in self.query("SELECT worker FROM packmill_run"))

    def executions(self) -> Counter[int]:
        return Counter(map(int, self.executed.read_text().split()))


@pytest.fixture
def replicas(tmp_path: Path, database: str) -> Iterator[Replicas]:
    started = Replicas(tmp_path, database)
    yield started
    for server in started.servers:
        if server.process and server.process.poll() is None:
            server.stop()


def test_a_request_waits_for_a_run_that_another_replica_executes(replicas: Replicas) -> None:
    idle = replicas.start("--workers", "0")
    replicas.start("--workers", "1")
    result = idle.run("double.ipynb", x=21)

    assert result["scraps"] == {"y": 42}
    assert not (idle.data / "runs.sqlite").exists()


def test_a_server_without_fetch_says_why_it_fetches_nothing_for_another_one(replicas: Replicas) -> None:
    write_notebook(replicas.folder / "root" / "read.ipynb", "data = 'in.txt'  # type: stage-in", "open(data).read()")
    replicas.start("--workers", "1")
    fetching = replicas.start("--workers", "0", "--fetch", "public")

    run = fetching.run("read.ipynb", data={"class": "File", "location": "http://files.example/in.txt"})["run"]

    assert (run["state"], run["reason"]) == ("failed", "staging-failed")
    assert "start all servers of a database with the same --fetch" in run["error"]


def test_a_run_is_followed_and_dismissed_by_way_of_another_replica(replicas: Replicas) -> None:
    idle = replicas.start("--workers", "0")
    replicas.start("--workers", "1")
    run = idle.begin("slow.ipynb")
    events = idle.events(run)
    assert next(entity for kind, entity in events if kind == "cell")["cell"] >= 1
    assert idle.ask("DELETE", f"/runs/{run}").status_code == 200

    *_, (kind, entity) = events
    assert (kind, entity["state"]) == ("ended", "dismissed")


def test_two_replicas_share_runs_with_none_lost_or_doubled(replicas: Replicas, request: pytest.FixtureRequest) -> None:
    number = request.config.getoption("--shared-runs")
    servers = [replicas.start("--workers", "1", "--queue", "1000", "--rate-limit", "0") for _ in range(2)]
    warm_up = [server.run("mark.ipynb", x=-1)["state"] for server in servers for _ in range(2)]
    with ThreadPoolExecutor(8) as pool:
        runs = list(pool.map(lambda x: servers[x % 2].begin("mark.ipynb", x=x), range(number)))
    replicas.wait_until_all_ended()

    assert set(warm_up) == {"succeeded"}
    assert len(set(runs)) == number
    assert replicas.count() == {"succeeded": number + len(warm_up)}
    executions = replicas.executions()
    assert executions.pop(-1) == len(warm_up)
    assert executions == dict.fromkeys(range(number), 1)
    assert set(replicas.workers()) == {server.process.pid for server in servers if server.process}


def test_replicas_start_each_run_of_a_schedule_once(replicas: Replicas) -> None:
    """Both wake up at the time that is due."""
    servers = [replicas.start("--workers", "1") for _ in range(2)]
    for x in range(6):
        body = {"notebook": "mark.ipynb", "parameters": {"x": x}, "cron": "@daily"}
        assert servers[x % 2].ask("POST", "/schedules", json=body).status_code == 201
    replicas.query("UPDATE packmill_schedule SET due = date_trunc('second', now()) + interval '3 s' RETURNING id")
    wait_until(lambda: replicas.count().get("succeeded", 0) >= 6, seconds=60)
    replicas.wait_until_all_ended()

    assert replicas.executions() == dict.fromkeys(range(6), 1)


def test_an_outage_of_the_database_is_answered_with_503_and_costs_no_run(
    replicas: Replicas, postgresql: Cluster
) -> None:
    server = replicas.start("--workers", "1")
    running, waiting = server.begin("slow.ipynb", seconds=4), server.begin("double.ipynb")
    server.wait_for(running, "running")
    postgresql.stop(mode="immediate")
    try:
        refused = server.ask("POST", "/runs", json={"notebook": "double.ipynb"})
    finally:
        postgresql.start()

    assert refused.status_code == 503
    assert int(refused.headers["Retry-After"]) >= 1
    wait_until(lambda: server.ask("GET", "/runs").status_code == 200, message="the database is back")
    assert [server.wait_for(run)["state"] for run in (running, waiting)] == ["succeeded", "succeeded"]


def test_the_password_of_the_database_is_in_no_notebook_command_or_log(replicas: Replicas, postgresql: Cluster) -> None:
    replicas.database = replicas.database.replace("postgres@", "postgres:sesame@")
    write_notebook(replicas.folder / "root" / "environment.ipynb", "import os\nprint(dict(os.environ))")
    server = replicas.start("--workers", "1", fresh=True)
    run = server.run("environment.ipynb")["run"]["id"]
    postgresql.stop()
    try:
        assert server.ask("GET", "/runs").status_code == 503
    finally:
        postgresql.start()

    wait_until(lambda: server.ask("GET", "/runs").status_code == 200, message="the database is back")
    assert "PATH" in str(server.get(f"/runs/{run}/notebook"))
    assert "sesame" not in str(server.get(f"/runs/{run}/notebook"))
    assert processes_naming("sesame") == []
    server.stop()
    assert "sesame" not in server.log.read_text()
    kept = [path for path in server.data.rglob("*") if path.is_file()]
    assert not any(b"sesame" in path.read_bytes() for path in kept)
