"""Several servers on one PostgreSQL database: they share runs, hear of each other's, and survive each other's end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import write_notebooks
from notebook_server import NotebookServer
from postgresql import needs_postgresql
from support import write_notebook

pytestmark = needs_postgresql


class Replicas:
    """Servers that share notebooks, a data folder and a database."""

    def __init__(self, folder: Path, database: str) -> None:
        self.folder, self.database = folder, database
        self.executed = folder / "executed.txt"
        write_notebooks(folder / "root")
        append = f"with open({str(self.executed)!r}, 'a') as f:\n    f.write(f'{{x}}\\n')"
        write_notebook(folder / "root" / "mark.ipynb", "x: int = 1", append)
        self.servers: list[NotebookServer] = []

    def start(self, *options: str) -> NotebookServer:
        server = NotebookServer(
            self.folder / "root", self.folder / "data", *options, PACKMILL_SERVE_DATABASE=self.database
        )
        server.log = self.folder / f"{len(self.servers)}.log"
        self.servers.append(server)
        return server.start()

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


def test_a_run_is_followed_and_dismissed_by_way_of_another_replica(replicas: Replicas) -> None:
    idle = replicas.start("--workers", "0")
    replicas.start("--workers", "1")
    run = idle.begin("slow.ipynb")
    events = idle.events(run)
    assert next(entity for kind, entity in events if kind == "cell")["cell"] >= 1
    assert idle.ask("DELETE", f"/runs/{run}").status_code == 200

    *_, (kind, entity) = events
    assert (kind, entity["state"]) == ("ended", "dismissed")
