"""Which children of a prepared process count as hanging: such a run is repeated, with all that it does elsewhere."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Protocol, cast

import pytest
from waiting import wait_until

from generator.runner.kernels.forked import ForkedProcess
from generator.runner.kernels.interfaces import KernelSession
from generator.runner.kernels.messages import ExecuteRequest, Message
from generator.runner.packaged.request import PackagedRun
from generator.runner.server.kernels.trial import HangWatch, TrialSession, UnsuitedForkError
from generator.runner.server.kernels.warm import WarmKernels
from generator.runner.server.runs.folder import RunFolder
from generator.runner.server.workers import warm_execution

_PATIENCE = 0.3
_BEGIN = """
import multiprocessing, socket, threading, time
from concurrent.futures import ThreadPoolExecutor
lock, event, (server, client) = threading.Lock(), threading.Event(), socket.socketpair()
lock.acquire()
"""
_WAITS = {
    "for a time": "time.sleep(60)",
    "for an event, with a time": "event.wait(60)",
    "again and again for an event": "while not event.wait(0.05): pass",
    "for a server": "client.recv(1)",
    "for a thread that waits for a time": "ThreadPoolExecutor().submit(time.sleep, 60).result()",
    "for a thread that waits for a server": "ThreadPoolExecutor().submit(client.recv, 1).result()",
    "for a process that waits for a time": (
        "context = multiprocessing.get_context('fork')\ndone = context.Semaphore(0)\n"
        "context.Process(target=time.sleep, args=(60,), daemon=True).start()\ndone.acquire()"
    ),
}
_HANGS = {
    "for a lock": "lock.acquire()",
    "for a thread that waits for a lock": "ThreadPoolExecutor().submit(lock.acquire).result()",
}


class Program:
    """A program in a session of its own, which runs ``code`` when it is told to."""

    def __init__(self, code: str, before: str) -> None:
        command = [sys.executable, "-c", f"{_BEGIN}{before}\nprint(flush=True)\ninput()\nprint(flush=True)\n{code}"]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True)
        self.process_id = self._process.pid
        self._wait_for_line()

    def _wait_for_line(self) -> None:
        assert self._process.stdout is not None
        self._process.stdout.readline()

    def begin(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(b"\n")
        self._process.stdin.flush()
        self._wait_for_line()
        time.sleep(0.2)

    def end(self) -> None:
        subprocess.run(["pkill", "-KILL", "-s", str(self.process_id)], check=False)
        self._process.communicate()


class Start(Protocol):
    def __call__(self, code: str, before: str = "") -> Program: ...


@pytest.fixture
def start() -> Iterator[Start]:
    programs: list[Program] = []

    def start_one(code: str, before: str = "") -> Program:
        programs.append(Program(code, before))
        return programs[-1]

    yield start_one
    for one in programs:
        one.end()


def _looks(watch: HangWatch) -> list[bool]:
    looks = []
    for _ in range(6):
        looks.append(watch.is_hung())
        time.sleep(0.1)
    return looks


@pytest.mark.parametrize("code", _WAITS.values(), ids=_WAITS)
def test_who_waits_for_anything_but_a_lock_does_not_hang(start: Start, code: str) -> None:
    program = start(code)
    watch = HangWatch(program.process_id, patience=_PATIENCE, spares_others=True)
    program.begin()

    assert not any(_looks(watch))


def test_where_system_calls_cannot_be_examined_nothing_counts_as_a_hang(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A wait for a lock cannot be told apart from one with a time there."""
    read = Path.read_text

    def read_text(path: Path, **options: str) -> str:
        if path.name == "syscall":
            raise PermissionError
        return read(path, **options)

    monkeypatch.setattr(Path, "read_text", read_text)
    program = start("event.wait(60)")
    watch = HangWatch(program.process_id, patience=_PATIENCE, spares_others=True)
    program.begin()

    assert not any(_looks(watch))


@pytest.mark.parametrize("code", _HANGS.values(), ids=_HANGS)
def test_who_waits_for_locks_alone_hangs(start: Start, code: str) -> None:
    program = start(code)
    program.begin()
    watch = HangWatch(program.process_id, patience=_PATIENCE)

    wait_until(watch.is_hung, interval=0.1, message="a lock that nobody releases is a hang")


@pytest.mark.parametrize("is_of_kernel", [True, False])
def test_a_thread_of_the_kernel_itself_does_not_hide_a_hang(start: Start, is_of_kernel: bool) -> None:
    thread = "threading.Thread(target=time.sleep, args=(60,)).start()\n"
    program = start("lock.acquire()", thread) if is_of_kernel else start(f"{thread}lock.acquire()")
    watch = HangWatch(program.process_id, patience=_PATIENCE, spares_others=True)
    program.begin()

    assert any(_looks(watch)) == is_of_kernel


class SilentSession:
    """A session whose cell prints nothing for a while."""

    def __init__(self, program: Program) -> None:
        self._program = program

    def execute(self, request: ExecuteRequest) -> Message:
        self._program.begin()
        for _ in range(15):
            time.sleep(0.1)
            request.tick()
        return Message("execute_reply", "", "", {"status": "ok"})


@pytest.mark.parametrize(
    ("code", "hangs"),
    [
        ("time.sleep(60)", False),
        ("ThreadPoolExecutor().submit(client.recv, 1).result()", False),
        ("lock.acquire()", True),
    ],
    ids=["a time", "a server", "a lock"],
)
def test_a_run_is_repeated_if_its_cell_waits_for_a_lock_alone(start: Start, code: str, hangs: bool) -> None:
    program = start(code)
    process = cast("ForkedProcess", SimpleNamespace(process_id=program.process_id))
    session = TrialSession(cast("KernelSession", SilentSession(program)), process, patience=_PATIENCE)

    with pytest.raises(UnsuitedForkError, match="it waits for a lock without end") if hangs else nullcontext():
        assert session.execute(ExecuteRequest(code="")).kind == "execute_reply"


def test_a_run_that_is_repeated_has_one_time_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    attempts: list[float] = []

    def attempt(request: PackagedRun) -> None:
        attempts.append(request.spent)
        time.sleep(0.2)

    class Kernel:
        start = None
        unsuited = property(lambda _: len(attempts) < 2)

        def finish(self) -> None:
            """Learn nothing."""

    monkeypatch.setattr(warm_execution, "WarmRun", lambda *_: Kernel())
    monkeypatch.setattr(warm_execution, "run_process", attempt)
    folder = RunFolder(tmp_path)
    folder.output.mkdir()
    kernels = cast("WarmKernels", None)
    warm_execution.run_warm(PackagedRun(process="a.ipynb", output=folder.output, time_limit=60), folder, kernels, None)

    assert attempts == [pytest.approx(0, abs=0.1), pytest.approx(0.2, abs=0.15)]
