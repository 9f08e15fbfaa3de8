"""Load on the services: 500 triggers from 20 clients and 500 served runs, all kept and none answered by an error.

make load
"""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import requests

sys.path.insert(0, str(Path(__file__).parents[1] / "helpers"))
sys.path.insert(0, str(Path(__file__).parents[2]))

from ci_service import Service, make_project
from notebook_server import NotebookServer
from support import write_notebook

CLIENTS, REQUESTS = 20, 500


def _from_clients(ask: Callable[[int], requests.Response]) -> list[requests.Response]:
    with ThreadPoolExecutor(CLIENTS) as clients:
        return list(clients.map(ask, range(REQUESTS)))


def _report(what: str, answers: list[requests.Response], seconds: float, kept: int) -> bool:
    statuses = dict(Counter(one.status_code for one in answers))
    print(f"{what}: {REQUESTS} from {CLIENTS} clients in {seconds:.0f} s, {kept} kept, answers {statuses}")
    return kept == REQUESTS and all(status < 500 for status in statuses)


def triggers(folder: Path) -> bool:
    """Trigger pipelines; after ``kill -9`` and a restart, each accepted one is there once, and in the audit log."""
    service = Service(make_project(folder / "ada" / "toy"), folder / "data", "--rate-limit", "1000000").start()
    try:
        form = {"token": service.environment["PACKMILL_CI_TRIGGER_TOKEN"], "ref": "main"}
        address, begun = f"{service.root}/trigger/pipeline", time.monotonic()
        answers = _from_clients(lambda _: requests.post(address, data=form, timeout=300))
        seconds = time.monotonic() - begun
        service.stop(9)
        service.start()
        accepted = {one.json()["id"] for one in answers if one.status_code == 201}
        stored, logged = _pages(service, "/pipelines"), _pages(service, "/audit_events")
        started = {one["details"]["target_details"] for one in logged if one["event_name"] == "pipeline_started"}
        kept = accepted & {one["id"] for one in stored} & set(map(int, started))
        return _report("triggers", answers, seconds, len(kept)) and len(stored) == len(accepted)
    finally:
        service.stop()


def _pages(service: Service, path: str) -> list[Any]:
    found: list[Any] = []
    while page := service.get(path, params={"per_page": 100, "page": len(found) // 100 + 1}):
        found += page
        if len(page) < 100:
            break
    return found


def runs(folder: Path) -> bool:
    """Start runs and wait for each; every one has to succeed with its own value."""
    write_notebook(folder / "root" / "double.ipynb", "x: int = 1", "from packmill import glue\nglue('y', x * 2)")
    server = NotebookServer(folder / "root", folder / "data", "--queue", "1000").start()
    try:
        begun = time.monotonic()
        answers = _from_clients(
            lambda number: requests.post(
                f"{server.url}/runs?wait=600",
                json={"notebook": "double.ipynb", "parameters": {"x": number}},
                timeout=900,
            )
        )
        seconds = time.monotonic() - begun
        ids = {one.json()["run"]["id"] for one in answers if one.status_code == 200}
        right = sum(
            one.status_code == 200
            and one.json()["run"]["state"] == "succeeded"
            and one.json()["scraps"]["y"] == 2 * number
            for number, one in enumerate(answers)
        )
        stored = [run for run in ids if server.get(f"/runs/{run}")["state"] == "succeeded"]
        return _report("served runs", answers, seconds, min(right, len(stored)))
    finally:
        server.stop()


if __name__ == "__main__":
    with TemporaryDirectory() as one, TemporaryDirectory() as two:
        done = [triggers(Path(one)), runs(Path(two))]
    sys.exit(0 if all(done) else 1)
