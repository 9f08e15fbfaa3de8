"""When users' servers are started, without real ones."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Coroutine
from pathlib import Path

import pytest

pytest.importorskip("jupyterhub")

from generator.runner.server.hub import user_servers
from generator.runner.server.hub.accounts import Account
from generator.runner.server.hub.schedule_memory import ScheduleMemory
from generator.runner.server.hub.user_command import ServerSettings
from generator.runner.server.hub.user_server import UserServer
from generator.runner.server.hub.user_servers import UserServers

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
