"""What a worker and the database tell each other of a run."""

from __future__ import annotations

import asyncio
import fcntl
import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from support import here

from generator.runner.server.own_folder import OwnFolder
from generator.runner.server.runs.model import NewRun, Outcome, Run, RunState, new_run_id
from generator.runner.server.runs.sqlite import SqliteRunStore
from generator.runner.server.runs.store import StoreUnavailableError
from generator.runner.server.workers import pool
from generator.runner.server.workers import worker as worker_module
from generator.runner.server.workers.channel import channel_pair
from generator.runner.server.workers.settings import WorkerSettings
from generator.runner.server.workers.worker import Worker
from generator.shared.failures import InterruptedRunError

Execute = Callable[..., Outcome]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteRunStore]:
    opened = SqliteRunStore(tmp_path)
    yield opened
    opened.close()


def test_a_worker_that_cannot_be_started_is_started_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The machine may have no process or descriptor left for a while."""
    settings = WorkerSettings(name="", root=tmp_path, data=tmp_path)
    workers = pool.WorkerPool(settings, count=1, on_message=lambda _: None, on_death=lambda _: None)
    attempts = []

    def start(_: object, **options: Any) -> subprocess.Popen[bytes]:
        attempts.append(os.listdir("/proc/self/fd"))
        if len(attempts) < 3:
            raise BlockingIOError(11, "Resource temporarily unavailable")
        return subprocess.Popen(("sleep", "600"), pass_fds=options["pass_fds"])

    async def replace_one() -> None:
        workers._replace()
        while not workers.size:
            await asyncio.sleep(0.01)
        await workers.stop(0.01)

    monkeypatch.setattr(pool, "_RESTART_DELAY", 0.01)
    monkeypatch.setattr(pool, "subprocess", SimpleNamespace(Popen=start, DEVNULL=subprocess.DEVNULL))
    asyncio.run(replace_one())

    assert len(attempts) == 3
    assert attempts[0] == attempts[1] == attempts[2]


def claimed(store: SqliteRunStore) -> Run:
    store.add(NewRun(process="a.ipynb"), run_id=new_run_id(), queue_limit=1)
    run = store.claim("w")
    assert run is not None
    return run


def work(store: SqliteRunStore, run: Run, execute: Execute, patch: pytest.MonkeyPatch, data: Path) -> None:
    """Have a worker take a run, whose cells ``execute`` reports."""
    patch.setattr(worker_module, "execute_run", execute)
    ours, theirs = channel_pair()
    with ours, theirs:
        Worker(theirs, WorkerSettings(name="w", root=Path("/"), data=data), store)._execute(run)


def test_the_first_cell_is_noted_before_it_begins(
    store: SqliteRunStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run without a noted cell is repeated if its worker dies: waiting for files is none, the first cell is one."""
    run, noted = claimed(store), []

    def execute(*_: object, on_cell: Callable[[int, int], None]) -> Outcome:
        for cell in (0, 0, 1):
            on_cell(cell, 3)
            noted.append(store.get(run.id).cell)
        return Outcome(state=RunState.SUCCEEDED)

    work(store, run, execute, monkeypatch, tmp_path)
    assert noted == [0, 0, 1]


def test_a_run_dismissed_before_its_worker_reports_it_begins_no_cell(
    store: SqliteRunStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = claimed(store)
    store.dismiss(run.id)

    def execute(*_: object, on_cell: Callable[[int, int], None]) -> Outcome:
        with pytest.raises(InterruptedRunError):
            on_cell(1, 3)
        return Outcome(state=RunState.FAILED, reason="interrupted", exit_code=130)

    work(store, run, execute, monkeypatch, tmp_path)
    assert store.get(run.id).state is RunState.DISMISSED


def test_a_worker_that_cannot_store_an_end_waits_before_it_tries_again(
    store: SqliteRunStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Other runs that wait wake it once; each attempt is a line of a log, perhaps on the disk that is full."""
    attempts, finish = [], store.finish
    monkeypatch.setattr(worker_module, "_POLL", 0.2)

    def fail_twice(run_id: str, outcome: Outcome) -> None:
        attempts.append(time.monotonic())
        if len(attempts) < 3:
            raise StoreUnavailableError("the disk is full")
        finish(run_id, outcome)

    def execute(*_: object, **__: object) -> Outcome:
        return Outcome(state=RunState.SUCCEEDED)

    monkeypatch.setattr(store, "finish", fail_twice)
    monkeypatch.setattr(worker_module, "execute_run", execute)
    run = claimed(store)
    ours, theirs = channel_pair()
    with ours, theirs:
        worker = Worker(theirs, WorkerSettings(name="w", root=Path("/"), data=tmp_path), store)
        worker._wake.set()
        worker._execute(run)

    assert store.get(run.id).state is RunState.SUCCEEDED
    assert all(later - earlier > 0.1 for earlier, later in pairwise(attempts))


def test_a_worker_that_lost_its_run_ends_before_a_cell_begins(tmp_path: Path) -> None:
    """It seemed dead to others, so another worker may have the run and its files."""
    script = """
import sys
from generator.runner.server.runs.store import RunLostError
from generator.runner.server.workers.worker import Worker
class Store:
    def set_progress(self, *_, **__): raise RunLostError
worker = Worker.__new__(Worker)
worker._store = Store()
worker._note_progress("id", 1, 2, needed=False)
print("a cell begins")
"""
    command = [sys.executable, "-c", script]
    ended = subprocess.run(
        command, check=False, start_new_session=True, capture_output=True, text=True, cwd=here.parent
    )

    assert (ended.returncode, ended.stdout) == (-signal.SIGKILL, ""), ended.stderr


def test_the_folder_of_a_killed_worker_is_removed_by_the_next_one(tmp_path: Path) -> None:
    script = """
import os, sys
from pathlib import Path
from generator.runner.server.own_folder import OwnFolder
folder = OwnFolder(Path(sys.argv[1]), "killed")
(folder.path / "repository").mkdir()
os.kill(os.getpid(), 9)
"""
    alive = OwnFolder(tmp_path, "alive")
    killed = subprocess.run([sys.executable, "-c", script, str(tmp_path)], cwd=here, check=False)
    left = sorted(path.name for path in tmp_path.iterdir())

    last = OwnFolder(tmp_path, "next")

    assert killed.returncode == -signal.SIGKILL
    assert left == ["alive", "killed"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["alive", "next"]
    for folder in (alive, last):
        folder.remove()
    assert list(tmp_path.iterdir()) == []


def test_a_worker_removes_no_folder_of_one_on_another_host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On NFS, the lock of a folder holds for one host; all hosts see that of a file, if it is open for writing."""
    lock = fcntl.flock

    def lock_as_nfs(descriptor: int, options: int) -> None:
        if stat.S_ISREG(os.fstat(descriptor).st_mode):
            assert fcntl.fcntl(descriptor, fcntl.F_GETFL) & os.O_RDWR
            lock(descriptor, options)

    monkeypatch.setattr(fcntl, "flock", lock_as_nfs)
    theirs = OwnFolder(tmp_path, "theirs")
    ours = OwnFolder(tmp_path, "ours")

    assert sorted(path.name for path in tmp_path.iterdir()) == ["ours", "theirs"]
    for folder in (theirs, ours):
        folder.remove()
    assert list(tmp_path.iterdir()) == []


def test_the_lock_of_a_worker_of_an_earlier_version_counts(tmp_path: Path) -> None:
    (tmp_path / "earlier").mkdir()
    earlier = os.open(tmp_path / "earlier", os.O_RDONLY)
    fcntl.flock(earlier, fcntl.LOCK_EX)

    OwnFolder(tmp_path, "next").remove()
    assert [path.name for path in tmp_path.iterdir()] == ["earlier"]

    os.close(earlier)
    OwnFolder(tmp_path, "next").remove()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("replace", [Path.mkdir, partial(Path.symlink_to, target="/nowhere"), os.mkfifo])
def test_a_folder_whose_lock_a_notebook_replaced_is_removed(replace: Callable[[Path], None], tmp_path: Path) -> None:
    (tmp_path / "killed").mkdir()
    replace(tmp_path / "killed" / ".lock")

    OwnFolder(tmp_path, "next").remove()

    assert list(tmp_path.iterdir()) == []
