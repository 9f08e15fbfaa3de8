"""The figures of the service in docs/performance.md: a real service, real clients, ratios against a reference.

make bench
"""

from __future__ import annotations

import os
import shutil
import statistics
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import requests

sys.path.insert(0, str(Path(__file__).parents[1] / "helpers"))
sys.path.insert(0, str(Path(__file__).parents[2]))

import sqlalchemy as sa
from ci_service import ACCESS, TRIGGER, Service, make_project

from generator.service.store.database import Database, jobs, pipelines, sqlite_url

_FILE = """\
stages: [one]
variables: {repository: {value: ""}, script: {value: "true"}}
job: {stage: one, script: ['bash -c "$script"']}
"""
_LOUD = (
    'python3 -c \'import sys, time; line = b"x" * 99 + b"\\n"; began = time.monotonic()\n'
    "for part in range(100):\n"
    "    sys.stdout.buffer.write(line * 10_000); sys.stdout.flush()\n"
    "    time.sleep(max(0, began + (part + 1) / 10 - time.monotonic()))'"
)
"""100 MB at 10 MB/s."""


@contextmanager
def served(folder: Path, *options: str) -> Iterator[Service]:
    """A service on a project whose only job runs a script."""
    project = make_project(folder / "ada" / "bench", _FILE)
    service = Service(project, folder / "data", "--rate-limit", "1000000", "--log-limit", "200", *options).start()
    try:
        yield service
    finally:
        service.stop()


def peak(service: Service) -> float:
    """The service's peak memory in MB."""
    assert service.process is not None
    status = Path(f"/proc/{service.process.pid}/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


def timed(action: Callable[[], requests.Response], expected: int) -> float:
    began = time.perf_counter()
    answer = action()
    assert answer.status_code == expected, answer.text
    return time.perf_counter() - began


def percentile(values: list[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


def triggers() -> None:
    """500 triggers by 20 clients at once; the reference is the cheapest answer of the same service."""
    with TemporaryDirectory() as temporary, served(Path(temporary)) as service:
        form = {"token": TRIGGER, "ref": "main", "variables[repository]": "https://example.org/x.git"}

        def post(_: int) -> float:
            return timed(lambda: requests.post(f"{service.root}/trigger/pipeline", data=form, timeout=60), 201)

        def least(_: int) -> float:
            return timed(lambda: requests.get(f"{service.url}/static/icon.svg", timeout=60), 200)

        with ThreadPoolExecutor(20) as clients:
            began = time.perf_counter()
            answers = list(clients.map(post, range(500)))
            posted = time.perf_counter() - began
            floor = list(clients.map(least, range(500)))
        while int(service.ask("GET", "/pipelines?status=success&per_page=1").headers["X-Total"]) < 500:
            time.sleep(0.2)
        took = time.perf_counter() - began
        listed = [
            job
            for page in range(1, 6)
            for job in service.get(f"/jobs?per_page=100&page={page}")
        ]  # fmt: skip
        started = [job["started_at"] for job in sorted(listed, key=lambda job: job["id"])]
        order = "in order" if started == sorted(started) else "OUT OF ORDER"
        print(
            f"500 triggers, 20 clients: all 201 in {posted:.1f} s; median {statistics.median(answers) * 1000:.0f} ms, "
            f"p99 {percentile(answers, 0.99) * 1000:.0f} ms; "
            f"p99 {percentile(answers, 0.99) / percentile(floor, 0.99):.1f} times that of a static file"
        )
        print(f"  all 500 ran {order}, none lost, after {took:.0f} s; the service's peak {peak(service):.0f} MB")


def polling() -> None:
    """A job that logs 10 MB/s, alone and with 100 clients that ask for its pipeline every two seconds."""
    with TemporaryDirectory() as temporary, served(Path(temporary)) as service:
        durations: dict[bool, list[float]] = {False: [], True: []}
        for _ in range(3):
            for watched in (False, True):
                stop = threading.Event()
                number = service.trigger(script=_LOUD)
                pollers = [threading.Thread(target=_poll, args=(service, number, stop)) for _ in range(100 * watched)]
                for poller in pollers:
                    poller.start()
                while service.get(f"/pipelines/{number}")["status"] not in ("success", "failed"):
                    time.sleep(0.5)
                stop.set()
                for poller in pollers:
                    poller.join()
                job = service.get(f"/pipelines/{number}/jobs")[0]
                assert job["status"] == "success"
                durations[watched].append(job["duration"])
        ratio = statistics.median(durations[True]) / statistics.median(durations[False])
        print(
            f"a job that logs 100 MB at 10 MB/s: {statistics.median(durations[False]):.2f} s alone, with 100 clients "
            f"polling {ratio:.3f} times that; the service's peak {peak(service):.0f} MB"
        )


def _poll(service: Service, number: int, stop: threading.Event) -> None:
    session = requests.Session()
    session.headers["PRIVATE-TOKEN"] = ACCESS
    while not stop.wait(2):
        session.get(f"{service.root}/pipelines/{number}", timeout=60)


def many() -> None:
    """A restart with 10,000 old pipelines, and how long lists of them take."""
    with TemporaryDirectory() as temporary:
        folder = Path(temporary)
        with served(folder):
            pass
        database = Database(sqlite_url(folder / "data" / "packmill.sqlite3"))
        now = time.time()
        with database.transaction() as connection:
            for first in range(0, 10_000, 1000):
                numbers = range(first + 1, first + 1001)
                rows = [
                    {
                        "id": number, "sha": "0" * 40, "ref": "main", "tag": False, "source": "trigger",
                        "status": "success" if number % 7 else "failed", "user": "trigger",
                        "variables": _requested(number), "created_at": now, "updated_at": now,
                        "started_at": now, "finished_at": now,
                    }
                    for number in numbers
                ]  # fmt: skip
                connection.execute(sa.insert(pipelines), rows)
                more = [
                    {
                        "pipeline_id": number, "name": name, "stage": "one", "stage_index": 1, "when": "on_success",
                        "allow_failure": False, "lane": "", "created_at": now, "attempts": 1,
                        "retried": False, "dotenv": {}, **_ended(number, name),
                    }
                    for number in numbers for name in ("build", "check", "publish")
                ]  # fmt: skip
                connection.execute(sa.insert(jobs), more)
        database.close()
        shutil.rmtree(folder / "ada")
        began = time.perf_counter()
        with served(folder) as service:
            first_answer = time.perf_counter() - began
            session = requests.Session()
            session.post(f"{service.url}/-/sign-in", data={"token": ACCESS}, timeout=60)
            session.headers["PRIVATE-TOKEN"] = ACCESS
            addresses = {
                "API": f"{service.root}/pipelines",
                "API, failed alone, last page": f"{service.root}/pipelines?status=failed&page=72",
                "page": f"{service.url}/ada/toy/-/pipelines",
                "page 400": f"{service.url}/ada/toy/-/pipelines?page=400",
                "page of a search with 10 results": f"{service.url}/ada/toy/-/pipelines?search=river-77.git",
                "page of a search with all": f"{service.url}/ada/toy/-/pipelines?search=river",
            }
            static = f"{service.url}/static/icon.svg"
            floor = statistics.median(_timed(session, static) for _ in range(50))
            print(f"10,000 old pipelines: first answer {first_answer:.2f} s after the start")
            for name, address in addresses.items():
                took = statistics.median(_timed(session, address) for _ in range(50))
                print(f"  list by {name}: {took * 1000:.0f} ms, {took / floor:.1f} times a static file")


def _requested(number: int) -> list[dict[str, str]]:
    """The variables of a pipeline, of one of 1,000 repositories."""
    values = {"repository": f"https://example.org/ada/river-{number % 1000}.git", "checkout": "main", "cores": "4"}
    return [{"key": key, "value": value, "variable_type": "env_var"} for key, value in values.items()]


def _ended(number: int, job: str) -> dict[str, object]:
    """How a job ended: one of each seventh pipeline failed, with a reason."""
    if number % 7 or job != "check":
        return {"status": "success", "exit_code": 0, "failure_reason": None, "reason": None}
    why = "ada/river/main: run on its example values: cell 2 failed: ZeroDivisionError: division by zero (exit code 20)"
    return {"status": "failed", "exit_code": 20, "failure_reason": "script_failure", "reason": why}


def _timed(session: requests.Session, address: str) -> float:
    return timed(lambda: session.get(address, timeout=60), 200)


if __name__ == "__main__":
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    triggers()
    many()
    polling()
