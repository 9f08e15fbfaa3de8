"""The specification of a run store, held against SQLite and PostgreSQL."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from postgresql import needs_postgresql
from support import here
from waiting import wait_until

from generator.runner.server.runs.model import NewRun, Outcome, RunState, new_run_id
from generator.runner.server.runs.sqlite import SqliteRunStore
from generator.runner.server.runs.store import (
    QueueFullError,
    RunFilter,
    RunLostError,
    RunMissingError,
    RunStore,
    ShareFullError,
    StoreMisfitError,
    StoreUnavailableError,
)
from generator.shared.failures import BadInputsError

_STALLED_AFTER = 2.0
_WORKER = """
import sys
from pathlib import Path
data, database, name, task = sys.argv[1:]
if database:
    from generator.runner.server.runs.postgresql.store import PostgresqlRunStore
    store = PostgresqlRunStore(database, Path(data), stalled_after=2.0, connections=2)
else:
    from generator.runner.server.runs.sqlite import SqliteRunStore
    store = SqliteRunStore(Path(data))
print("ready", flush=True)
sys.stdin.readline()
if task == "hold":
    run = store.claim(name)
    print(run.id, flush=True)
    for line in sys.stdin:
        store.set_progress(run.id, cell=int(line), cells=3)
        print("noted", flush=True)
while run := store.claim(name):
    print(run.id, flush=True)
store.close()
"""


class Stores:
    """Several stores of one database, as several processes have them."""

    def __init__(self, data: Path, database: str | None) -> None:
        self._data, self.database = data, database
        self._opened: list[RunStore] = []
        self._workers: list[subprocess.Popen[str]] = []

    def open(self) -> RunStore:
        if self.database is None:
            store: RunStore = SqliteRunStore(self._data)
        else:
            from generator.runner.server.runs.postgresql.store import PostgresqlRunStore

            store = PostgresqlRunStore(self.database, self._data, stalled_after=_STALLED_AFTER)
        self._opened.append(store)
        return store

    def worker(self, name: str, task: str = "drain") -> subprocess.Popen[str]:
        """A process that claims runs once it gets a line, and prints their ids."""
        command = [sys.executable, "-c", _WORKER, str(self._data), self.database or "", name, task]
        environment = {**os.environ, "PYTHONPATH": str(here.parent)}
        process = subprocess.Popen(
            command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
        )
        self._workers.append(process)
        return process

    def holder(self, name: str) -> tuple[subprocess.Popen[str], str]:
        """A process that has claimed a run, and the run's id."""
        process = self.worker(name, "hold")
        assert read_line(process) == "ready"
        write_line(process, "go")
        return process, read_line(process)

    def close(self) -> None:
        for process in self._workers:
            process.kill()
            process.communicate()
        for store in self._opened:
            store.close()


def read_line(process: subprocess.Popen[str]) -> str:
    assert process.stdout
    return process.stdout.readline().strip()


def write_line(process: subprocess.Popen[str], line: str) -> None:
    assert process.stdin
    process.stdin.write(f"{line}\n")


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=needs_postgresql)])
def stores(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Stores]:
    opened = Stores(tmp_path, request.getfixturevalue("database") if request.param == "postgresql" else None)
    yield opened
    opened.close()


@pytest.fixture
def store(stores: Stores) -> RunStore:
    return stores.open()


def add(store: RunStore, process: str = "a.ipynb", *, limit: int = 100, **values: Any) -> str:
    return store.add(NewRun(process=process, **values), run_id=new_run_id(), queue_limit=limit).id


def succeed(store: RunStore, run_id: str) -> None:
    store.finish(run_id, Outcome(state=RunState.SUCCEEDED, status_code=200, way="direct", note="kernel replaced"))


def test_a_run_is_kept_as_it_was_asked_for_and_as_it_ended(stores: Stores, store: RunStore) -> None:
    new = NewRun(
        process="a/b.ipynb", owner="ada", protocol="ogc", options={"way": "direct"}, idempotency_key="k", schedule="s"
    )
    run_id = new_run_id()
    before = datetime.now(timezone.utc) - timedelta(seconds=1)
    queued = store.add(new, run_id=run_id, queue_limit=1)

    assert (queued.id, queued.state, queued.started, queued.cell) == (run_id, RunState.QUEUED, None, 0)
    assert (queued.process, queued.owner, queued.protocol, queued.schedule) == ("a/b.ipynb", "ada", "ogc", "s")
    assert (queued.options, queued.idempotency_key) == ({"way": "direct"}, "k")
    assert before < queued.created <= datetime.now(timezone.utc)
    assert queued == stores.open().get(run_id)

    running = store.claim("w")
    assert running is not None
    store.set_progress(run_id, cell=2, cells=5)
    succeed(store, run_id)
    ended = stores.open().get(run_id)

    assert (running.state, running.worker) == (RunState.RUNNING, "w")
    assert (ended.state, ended.cell, ended.cells, ended.status_code) == (RunState.SUCCEEDED, 2, 5, 200)
    assert (ended.way, ended.note, ended.exit_code, ended.reason) == ("direct", "kernel replaced", 0, None)
    assert ended.started
    assert ended.ended
    assert ended.created <= ended.started <= ended.ended


def test_requests_at_once_do_not_exceed_the_share_of_an_owner(stores: Stores) -> None:
    def add_one(store: RunStore) -> bool:
        try:
            store.add(NewRun(process="a.ipynb", owner="ada"), run_id=new_run_id(), queue_limit=100, owner_limit=3)
        except ShareFullError:
            return False
        return True

    opened = [stores.open() for _ in range(6)]
    with ThreadPoolExecutor(len(opened)) as threads:
        assert sum(threads.map(add_one, opened * 4)) == 3
    assert opened[0].count()[RunState.QUEUED] == 3


def test_a_repeated_request_gets_its_run_although_the_share_of_its_owner_is_used_up(store: RunStore) -> None:
    new = NewRun(process="a.ipynb", owner="ada", idempotency_key="k")
    first = store.add(new, run_id=new_run_id(), queue_limit=9, owner_limit=1)

    assert store.add(new, run_id=new_run_id(), queue_limit=9, owner_limit=1).id == first.id
    assert add(store, owner="bob")
    with pytest.raises(ShareFullError):
        store.add(NewRun(process="a.ipynb", owner="ada"), run_id=new_run_id(), queue_limit=9, owner_limit=1)
    with pytest.raises(QueueFullError):
        store.add(NewRun(process="a.ipynb", owner="ada"), run_id=new_run_id(), queue_limit=2, owner_limit=2)


def test_runs_are_claimed_in_the_order_of_the_queue(store: RunStore) -> None:
    ids = [add(store) for _ in range(5)]

    assert [run.id for _ in ids if (run := store.claim("w"))] == ids
    assert store.claim("w") is None


def test_eight_processes_claim_each_run_once(stores: Stores, store: RunStore) -> None:
    ids = [add(store, limit=1000) for _ in range(200)]
    workers = [stores.worker(f"w{number}") for number in range(8)]
    for worker in workers:
        assert read_line(worker) == "ready"
    for worker in workers:
        write_line(worker, "go")
    claimed = [worker.communicate()[0].split() for worker in workers]

    assert sorted(run for runs in claimed for run in runs) == sorted(ids)
    assert all(runs == sorted(runs, key=ids.index) for runs in claimed)
    assert sum(bool(runs) for runs in claimed) > 1


def test_an_idempotency_key_is_one_run_of_its_owner(stores: Stores, store: RunStore) -> None:
    first = add(store, owner="ada", idempotency_key="k")

    assert add(stores.open(), "other.ipynb", owner="ada", idempotency_key="k") == first
    assert add(store, owner="bob", idempotency_key="k") != first
    assert store.claim("w")
    assert add(store, owner="ada", idempotency_key="k", limit=1) == first
    assert store.count()[RunState.QUEUED] == 1
    succeed(store, first)
    assert add(store, owner="ada", idempotency_key="k") == first


def test_a_full_queue_takes_no_run(store: RunStore) -> None:
    for _ in range(2):
        add(store, limit=2)
    with pytest.raises(QueueFullError):
        add(store, limit=2)
    assert store.claim("w")
    add(store, limit=2)

    assert store.count()[RunState.QUEUED] == 2


def test_a_dismissed_run_of_the_queue_has_ended_and_is_not_claimed(store: RunStore) -> None:
    dismissed, other = add(store), add(store)
    run = store.dismiss(dismissed)

    assert (run.state, run.reason) == (RunState.DISMISSED, "dismissed")
    assert run.ended
    assert store.dismiss(dismissed) == run
    claimed = store.claim("w")
    assert claimed is not None
    assert claimed.id == other
    assert store.claim("w") is None


def test_a_dismissed_running_run_is_marked_until_its_worker_ends_it(stores: Stores, store: RunStore) -> None:
    run_id = add(store)
    assert store.claim("w")
    assert not store.is_dismissed(run_id)
    assert stores.open().dismiss(run_id).state is RunState.RUNNING
    assert store.is_dismissed(run_id)
    store.finish(run_id, Outcome(state=RunState.DISMISSED, reason="dismissed"))
    succeed(store, run_id)

    assert store.dismiss(run_id).state is RunState.DISMISSED


def test_what_does_not_exist_is_missing(store: RunStore) -> None:
    for run_id in ("0" * 32, "", "a\0b", "\udc80", "'; --"):
        with pytest.raises(RunMissingError):
            store.get(run_id)
        with pytest.raises(RunMissingError):
            store.dismiss(run_id)
        assert not store.is_dismissed(run_id)


def test_text_of_any_characters_is_kept_legibly(store: RunStore) -> None:
    text = "a\0b \udc80 \N{SNOWMAN} \U0001f600 '%s' \\u0000"
    run_id = add(store, text, owner=text, idempotency_key=text, options={"template": text})
    assert store.claim("w")
    store.finish(run_id, Outcome(state=RunState.FAILED, reason="cell-error", message=text, note=text, exit_code=2))
    run = store.get(run_id)

    assert run.options == {"template": text}
    assert run.message == run.note == run.process == "a\ufffdb ? \N{SNOWMAN} \U0001f600 '%s' \\u0000"
    assert [one.id for one in store.list(RunFilter(process=text, owner=text))] == [run_id]
    assert add(store, owner=text, idempotency_key=text) == run_id


@pytest.mark.parametrize("cell", [0, 2])
def test_a_killed_worker_leaves_a_run_that_is_repeated_only_if_no_cell_had_begun(
    stores: Stores, store: RunStore, cell: int
) -> None:
    run_id, later = add(store), add(store)
    worker, claimed = stores.holder("killed")
    living, claimed_by_living = stores.holder("living")
    assert (claimed, claimed_by_living) == (run_id, later)
    if cell:
        write_line(worker, str(cell))
        assert read_line(worker) == "noted"
    if cell and stores.database:
        time.sleep(_STALLED_AFTER + 0.3)
    assert store.end_lost_runs() == ()  # heartbeats keep both
    worker.send_signal(signal.SIGKILL)
    worker.wait()
    (lost,) = wait_until(store.end_lost_runs, seconds=20)

    assert lost == store.get(run_id)
    assert lost.worker is None
    if cell:
        assert (lost.state, lost.reason, lost.exit_code, lost.cell) == (RunState.FAILED, "interrupted", 137, 2)
        assert lost.ended
        assert store.claim("w") is None
    else:
        assert (lost.state, lost.reason, lost.started, lost.ended) == (RunState.QUEUED, None, None, None)
        add(store)
        repeated = store.claim("w")
        assert repeated is not None
        assert repeated.id == run_id  # it kept its place
    assert store.get(later).state is RunState.RUNNING
    assert store.end_lost_runs() == ()
    assert living.poll() is None


def test_a_run_that_was_dismissed_before_its_worker_died_is_not_repeated(stores: Stores, store: RunStore) -> None:
    run_id = add(store)
    worker, _ = stores.holder("killed")
    store.dismiss(run_id)
    worker.send_signal(signal.SIGKILL)
    worker.wait()
    (lost,) = wait_until(store.end_lost_runs, seconds=20)

    assert (lost.state, lost.reason, lost.exit_code) == (RunState.DISMISSED, "dismissed", None)
    assert store.claim("w") is None


def test_a_worker_that_was_only_slow_begins_no_cell_of_a_run_that_it_lost(stores: Stores, store: RunStore) -> None:
    run_id = add(store)
    worker, _ = stores.holder("slow")
    worker.send_signal(signal.SIGSTOP)
    if stores.database is None:
        assert store.end_lost_runs() == ()  # it lives
        worker.send_signal(signal.SIGCONT)
        return
    (lost,) = wait_until(store.end_lost_runs, seconds=20)
    assert lost.state is RunState.QUEUED
    claimed = store.claim("other")
    assert claimed is not None
    assert claimed.id == run_id
    worker.send_signal(signal.SIGCONT)
    write_line(worker, "1")

    assert read_line(worker) == ""
    assert worker.wait() != 0
    assert store.get(run_id).cell == 0
    succeed(store, run_id)


def test_no_progress_of_an_ended_run(store: RunStore) -> None:
    run_id = add(store)
    assert store.claim("w")
    succeed(store, run_id)

    with pytest.raises(RunLostError):
        store.set_progress(run_id, cell=1, cells=2)
    assert store.get(run_id).cell == 0


def test_runs_are_listed_newest_first_by_state_and_page(store: RunStore) -> None:
    ids = [add(store, f"{number % 2}.ipynb", owner="ada" if number < 4 else "bob") for number in range(6)]
    assert store.claim("w")
    succeed(store, ids[0])

    def listed(**chosen: Any) -> list[int]:
        return [ids.index(run.id) for run in store.list(RunFilter(**chosen))]

    assert listed() == [5, 4, 3, 2, 1, 0]
    assert listed(limit=2) == [5, 4]
    assert listed(limit=2, before=ids[4]) == [3, 2]
    assert listed(states=(RunState.SUCCEEDED, RunState.FAILED)) == [0]
    assert listed(process="1.ipynb", owner="ada") == [3, 1]
    assert listed(protocol="ogc") == listed(schedule="x") == []


def test_a_run_whose_results_are_lost_has_failed(store: RunStore) -> None:
    lost = Outcome(state=RunState.FAILED, reason="interrupted", message="lost", exit_code=137)
    ended, waiting = add(store), add(store)
    assert store.claim("w")
    succeed(store, ended)
    for run_id in (ended, waiting):
        store.lose(run_id, lost)
    store.sync()

    run = store.get(ended)
    assert (run.state, run.reason, run.message, run.exit_code) == (RunState.FAILED, "interrupted", "lost", 137)
    assert store.get(waiting).state is RunState.QUEUED


def test_ended_runs_expire_and_are_deleted_with_their_jobs(store: RunStore) -> None:
    ids = [add(store) for _ in range(4)]
    for run_id in ids[:2]:
        assert store.claim("w")
        succeed(store, run_id)
    soon = datetime.now(timezone.utc) + timedelta(seconds=60)

    assert [run.id for run in store.expired(before=soon)] == ids[:2]
    assert store.expired(before=soon - timedelta(seconds=120)) == ()
    store.delete(ids)
    assert store.count() == {
        RunState.QUEUED: 2,
        RunState.RUNNING: 0,
        RunState.SUCCEEDED: 0,
        RunState.FAILED: 0,
        RunState.DISMISSED: 0,
    }
    assert [run.id for _ in range(2) if (run := store.claim("w"))] == ids[2:]


@pytest.mark.parametrize("is_open", [True, False], ids=["a query fails", "the file cannot be opened"])
def test_reads_of_a_database_file_that_fails_raise_as_changes_do(tmp_path: Path, is_open: bool) -> None:
    """So that requests are answered with 503, and workers and background work try again."""
    store = SqliteRunStore(tmp_path)
    if is_open:
        with closing(sqlite3.connect(tmp_path / "runs.sqlite")) as database:
            database.execute("DROP TABLE run")
    else:
        store.close()
        for name in tmp_path.glob("runs.sqlite*"):
            name.unlink()
        (tmp_path / "runs.sqlite").mkdir()

    calls: tuple[Callable[[], object], ...] = (
        lambda: store.get("1"),
        lambda: store.list(RunFilter()),
        lambda: store.claim("w"),
        lambda: store.is_dismissed("1"),
        store.end_lost_runs,
        store.count,
        lambda: store.expired(before=datetime.now(timezone.utc)),
        lambda: add(store),
        lambda: store.delete(["1"]),
    )
    for call in calls:
        with pytest.raises(StoreMisfitError if is_open else StoreUnavailableError):
            call()
    if is_open:
        store.close()


@pytest.mark.parametrize("change", ["missing", "empty", "without the table"])
def test_a_new_file_is_refused_for_a_folder_with_runs(change: str, tmp_path: Path) -> None:
    """Retention would remove their folders as orphans."""
    SqliteRunStore(tmp_path).close()
    folder = tmp_path / "runs" / "0199abc" / new_run_id()
    folder.mkdir(parents=True)
    SqliteRunStore(tmp_path).close()  # a folder that a crash left without a row, which retention removes
    file = tmp_path / "runs.sqlite"
    if change == "without the table":
        with closing(sqlite3.connect(file)) as database:
            database.execute("DROP TABLE run")
    else:
        for path in tmp_path.glob("runs.sqlite*"):
            path.unlink()
        if change == "empty":
            file.touch()

    for _ in range(2):
        with pytest.raises(BadInputsError, match="has runs that this new SQLite file does not know"):
            SqliteRunStore(tmp_path)
    folder.rmdir()
    SqliteRunStore(tmp_path).close()


def test_a_damaged_file_is_a_database_that_is_unavailable(tmp_path: Path) -> None:
    store = SqliteRunStore(tmp_path)
    store.close()
    (tmp_path / "runs.sqlite").write_bytes(b"\0" * 8192)

    with pytest.raises(StoreUnavailableError, match="file is not a database"):
        store.get("a")
    with pytest.raises(StoreUnavailableError, match="file is not a database"):
        store.claim("w")
