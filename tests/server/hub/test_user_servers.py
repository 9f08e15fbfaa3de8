"""When users' servers are started, without real ones."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Callable, Coroutine
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("jupyterhub")

from generator.runner.server.hub import user_servers
from generator.runner.server.hub.accounts import Account
from generator.runner.server.hub.schedule_memory import ScheduleMemory
from generator.runner.server.hub.user_command import ServerSettings
from generator.runner.server.hub.user_server import UserServer
from generator.runner.server.hub.user_servers import UserServers
from generator.runner.server.problems import ProblemError

Start = Callable[[UserServer], Coroutine[None, None, None]]


def _servers(folder: Path, patch: pytest.MonkeyPatch, start: Start) -> UserServers:
    patch.setattr(os, "cpu_count", lambda: 1)
    patch.setattr(UserServer, "start", start)
    settings = ServerSettings(sockets=folder, options=(), variables=(), start_timeout=1, shutdown_timeout=1)
    return UserServers(_account, ScheduleMemory(folder / "file"), settings, base_url="/base", idle_timeout=60)


def _account(name: str) -> Account:
    return Account(username=name, home=Path("/"), uid=1, gid=1, groups=(), login=name, shell="")


async def _use(servers: UserServers, name: str) -> str:
    async with servers.use(name) as server:
        return server.account.username


def test_two_servers_are_started_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    running: list[str] = []
    most = []

    async def start(server: UserServer) -> None:
        running.append(server.account.username)
        most.append(len(running))
        await asyncio.sleep(0.01)
        running.remove(server.account.username)

    async def use_all() -> list[str]:
        servers = _servers(tmp_path, monkeypatch, start)
        return await asyncio.gather(*(_use(servers, f"u{number}") for number in range(10)))

    assert len(asyncio.run(use_all())) == 10
    assert max(most) == 2


def test_servers_that_do_not_start_keep_no_others_waiting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A start also ends with the last request that waits for it."""
    monkeypatch.setattr(user_servers, "_LONGEST_TURN", 0.01)
    started: list[str] = []
    ended: list[str] = []

    async def start(server: UserServer) -> None:
        if server.account.username != "ada":
            started.append(server.account.username)
            try:
                await asyncio.Event().wait()
            finally:
                ended.append(server.account.username)

    async def use_all() -> str:
        servers = _servers(tmp_path, monkeypatch, start)
        slow = [asyncio.create_task(_use(servers, name)) for name in ("bob", "carl")]
        while len(started) < len(slow):
            await asyncio.sleep(0.01)
        used = await asyncio.wait_for(_use(servers, "ada"), 60)
        for task in slow:
            task.cancel()
        await asyncio.wait(slow)
        return used

    assert asyncio.run(use_all()) == "ada"
    assert sorted(ended) == ["bob", "carl"]


async def _start(_: UserServer) -> None:
    """Start nothing."""


async def _look_for_idle(servers: UserServers, seconds: float = 0.3) -> None:
    with suppress(asyncio.TimeoutError):
        await asyncio.wait_for(servers.stop_idle(), seconds)


def test_a_server_that_is_used_while_it_is_asked_for_its_work_is_not_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The request may have started a run, for which nobody would start the server again."""
    stopped: list[UserServer] = []

    async def stop(server: UserServer) -> None:
        stopped.append(server)

    async def use_while_asked() -> list[UserServer]:
        servers = _servers(tmp_path, monkeypatch, _start)
        monkeypatch.setattr(servers, "_idle_timeout", 0.2)
        monkeypatch.setattr(UserServer, "stop", stop)
        monkeypatch.setattr(UserServer, "is_alive", True)

        async def ask(_: UserServer, path: str) -> dict[str, Any]:
            if path == "/health":
                await _use(servers, "ada")
            return {"schedules": [], "running": 0, "queue": {"queued": 0}}

        monkeypatch.setattr(UserServer, "ask", ask)
        await _use(servers, "ada")
        await _look_for_idle(servers)
        return stopped

    assert asyncio.run(use_while_asked()) == []


def test_a_server_that_ends_by_itself_is_started_again_for_schedules(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Linux ends it, for example, when the memory is used up."""
    started: list[str] = []

    async def start(server: UserServer) -> None:
        started.append(server.account.username)

    async def end_by_itself() -> None:
        servers = _servers(tmp_path, monkeypatch, start)
        monkeypatch.setattr(servers, "_idle_timeout", 0.4)
        servers._memory.note("ada", has_schedules=True)
        for name in ("ada", "bob"):
            await _use(servers, name)  # their servers are not alive
        await _look_for_idle(servers, 0.15)

    asyncio.run(end_by_itself())
    assert started == ["ada", "bob", "ada"]


def test_a_server_that_did_not_start_is_tried_again_for_schedules(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when memory is short, or homes are not mounted yet."""
    tried: list[str] = []

    async def start(server: UserServer) -> None:
        tried.append(server.account.username)
        if len(tried) < 3:
            raise ProblemError(503, "the home does not exist")

    async def fail_twice() -> None:
        servers = _servers(tmp_path, monkeypatch, start)
        monkeypatch.setattr(user_servers, "_PAUSE", 0.0)
        monkeypatch.setattr(user_servers, "_LONGEST_LOOK", 0.02)
        monkeypatch.setattr(UserServer, "is_alive", True)
        servers._memory.note("ada", has_schedules=True)
        await _look_for_idle(servers)

    asyncio.run(fail_twice())
    assert tried == ["ada"] * 3


def test_the_pause_before_a_server_is_tried_again_grows_up_to_an_hour(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def start(_: UserServer) -> None:
        raise ProblemError(503, "the home does not exist")

    async def fail(times: int) -> list[float]:
        servers = _servers(tmp_path, monkeypatch, start)
        servers._memory.note("ada", has_schedules=True)
        pauses = []
        for _ in range(times):
            await servers._keep_running("ada")
            again_at, pause = servers._retries["ada"]
            pauses.append(round(again_at - time.monotonic()))
            servers._retries["ada"] = (0.0, pause)
        return pauses

    assert asyncio.run(fail(8)) == [60, 120, 240, 480, 960, 1920, 3600, 3600]


def test_a_server_that_its_user_has_started_meanwhile_is_tried_at_once_after_its_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The pause after earlier failures, of up to an hour, is over with the start."""
    started: list[str] = []

    async def start(server: UserServer) -> None:
        if not started:
            raise ProblemError(503, "the home does not exist")
        started.append(server.account.username)

    async def fail_then_start() -> None:
        servers = _servers(tmp_path, monkeypatch, start)
        monkeypatch.setattr(user_servers, "_PAUSE", 0.0)
        servers._memory.note("ada", has_schedules=True)
        await servers._keep_running("ada")
        started.append("by its user")
        await _use(servers, "ada")
        await servers._keep_running("ada")  # as it has ended

    asyncio.run(fail_then_start())
    assert started == ["by its user", "ada", "ada"]


def test_of_two_answers_about_schedules_the_later_one_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody would start the server of a user whose new schedule is forgotten."""
    schedules: list[dict[str, bool]] = []

    async def ask(_: UserServer, _path: str) -> dict[str, Any]:
        listed = [*schedules]
        await asyncio.sleep(0.0 if listed else 0.1)
        return {"schedules": listed}

    async def create_while_asked() -> bool:
        servers = _servers(tmp_path, monkeypatch, _start)
        monkeypatch.setattr(UserServer, "ask", ask)
        await _use(servers, "ada")
        looking = asyncio.create_task(servers.note_schedules("ada"))
        await asyncio.sleep(0.01)
        schedules.append({"paused": False})
        await servers.note_schedules("ada")
        await looking
        return "ada" in servers._memory

    assert asyncio.run(create_while_asked())


def test_a_full_disk_is_no_failure_of_a_request_and_is_made_up_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The user's schedule is stored, in the home."""

    async def ask(_: UserServer, _path: str) -> dict[str, Any]:
        return {"schedules": [{"paused": False}]}

    async def note_twice() -> None:
        servers = _servers(tmp_path, monkeypatch, _start)
        monkeypatch.setattr(UserServer, "ask", ask)
        await _use(servers, "ada")
        (tmp_path / "file.new").mkdir()  # in place of a full disk
        assert await servers.note_schedules("ada")
        (tmp_path / "file.new").rmdir()
        await servers.note_schedules("ada")

    asyncio.run(note_twice())
    assert ScheduleMemory(tmp_path / "file").names == ("ada",)


def test_a_home_that_becomes_a_link_while_it_is_checked_is_refused(tmp_path: Path) -> None:
    """Another user of /tmp can replace a folder of theirs by a link to a folder of the shared user."""
    script = """
import sys
from pathlib import Path
from generator.runner.server.hub import user_process
home, other = map(Path, sys.argv[1:])
status = Path.stat
def replace_and_look(path, **options):
    if path == home and not home.is_symlink():
        home.rmdir()
        home.symlink_to(other)
    return status(path, **options)
Path.is_symlink = lambda path: status(path, follow_symlinks=False).st_mode & 0o170000 == 0o120000
Path.stat = replace_and_look
import os
user_process.os.getppid = lambda: 1
user_process.os.chdir = lambda folder: print("entered", os.path.realpath(folder))
sys.modules["generator.runner.__main__"] = type(sys)("main")
sys.modules["generator.runner.__main__"].start = lambda: None
user_process.main("1", str(home), "shared")
"""
    (tmp_path / "other").mkdir()
    command = [sys.executable, "-c", script, str(tmp_path / "ada"), str(tmp_path / "other")]
    ended = subprocess.run(command, check=False, capture_output=True, text=True)

    assert str(tmp_path / "other") not in ended.stdout, ended.stderr
