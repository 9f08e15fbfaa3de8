"""All users' servers: started when they are needed, stopped when they are idle, kept for schedules."""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from urllib.parse import quote

from starlette.concurrency import run_in_threadpool

from generator.runner.server.hub.accounts import Account, FindAccount
from generator.runner.server.hub.schedule_memory import ScheduleMemory
from generator.runner.server.hub.user_command import ServerSettings
from generator.runner.server.hub.user_server import UserServer
from generator.runner.server.operation.logs import log
from generator.runner.server.problems import ProblemError

_PAUSE = 5.0
"""Seconds before a server that did not start is tried again."""
_STARTS_AT_ONCE, _LONGEST_TURN = 2, 5.0
"""Starts at once, each of which takes a processor for about two seconds; one that takes longer than a turn goes on."""
_LONGEST_LOOK = 60.0
"""Seconds between two looks for idle servers, at most."""
_LONGEST_PAUSE = 3600.0
"""Seconds before a server that has to run schedules and did not start is tried again, at most."""


class UserServers:
    """The servers of one service."""

    def __init__(
        self,
        find_account: FindAccount,
        memory: ScheduleMemory,
        settings: ServerSettings,
        *,
        base_url: str,
        idle_timeout: float,
    ) -> None:
        """Take the path of the service, and the seconds after which a server without work ends."""
        self._find_account, self._memory, self._settings = find_account, memory, settings
        self._base_url, self._idle_timeout = base_url, idle_timeout
        self._servers: dict[str, UserServer] = {}
        self._failed: dict[str, tuple[float, ProblemError]] = {}
        self._retries: dict[str, tuple[float, float]] = {}
        """The times at which servers that did not start are tried again for schedules, and the pauses after that."""
        self._locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._looks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._turns = asyncio.Semaphore(max(_STARTS_AT_ONCE, os.cpu_count() or 1))
        self._closed = False

    def __len__(self) -> int:
        return sum(server.is_alive for server in self._servers.values())

    def address(self, username: str) -> str:
        """Return the path of a user's server."""
        return f"{self._base_url}/user/{quote(username, safe='')}"

    @asynccontextmanager
    async def use(self, username: str) -> AsyncIterator[UserServer]:
        """Keep a user's server for a request, and start it if it does not run.

        Raises:
            ProblemError: 403, notebooks of the user cannot run here; 503, the server does not start.
        """
        if self._closed:
            raise ProblemError(503, "the service is shutting down; try again later", headers={"Retry-After": "10"})
        account = await run_in_threadpool(self._find_account, username)
        async with self._locks[username]:
            server = await self._running(account)
            server.active += 1
        try:
            yield server
        finally:
            server.active -= 1
            server.last_used = time.monotonic()

    async def note_schedules(self, username: str) -> bool:
        """Remember whether a user has schedules, and return it."""
        async with self._looks[username]:  # so that an earlier answer does not replace a later one
            server = self._servers.get(username)
            answer = await server.ask("/schedules") if server else None
            listed = answer.get("schedules") if answer else None
            if not isinstance(listed, list):
                return username in self._memory
            has_some = any(isinstance(one, dict) and one.get("paused") is False for one in listed)
            await self._remember(username, has_schedules=has_some)
            return has_some

    async def _remember(self, username: str, *, has_schedules: bool) -> None:
        try:
            await asyncio.to_thread(self._memory.note, username, has_schedules=has_schedules)
        except OSError as error:  # the schedules are in the home, and this process knows the user
            log("cannot store who has schedules", level=logging.ERROR, user=username, reason=error)

    async def start_scheduled(self, username: str) -> bool:
        """Start the server of a user with schedules, unless it runs; return whether it runs now."""
        try:
            async with self.use(username):
                return True
        except ProblemError as problem:
            log("schedules cannot run", user=username, reason=problem.detail)
            return False

    async def stop_idle(self) -> None:
        """Stop servers that have had no work for a while, as long as the service runs.

        A server that has ended by itself, or did not start, is started again if its user has schedules.
        """
        while True:
            await asyncio.sleep(min(self._idle_timeout / 4, _LONGEST_LOOK))
            for username, server in [*self._servers.items()]:
                if await self._is_idle(server):
                    await self._stop(username, unless_used=True)
            for username in self._memory.names:
                await self._keep_running(username)

    async def _keep_running(self, username: str) -> None:
        server = self._servers.get(username)
        again_at, pause = self._retries.get(username, (0.0, _LONGEST_LOOK))
        if username not in self._memory or (server is not None and server.is_alive) or time.monotonic() < again_at:
            return
        if not await self.start_scheduled(username):
            self._retries[username] = (time.monotonic() + pause, min(2 * pause, _LONGEST_PAUSE))

    async def stop_all(self, hurry: asyncio.Event) -> None:
        """Start no server any more, and stop all of them together; ``hurry`` interrupts their runs."""
        self._closed = True
        hurrying = asyncio.create_task(self._interrupt(hurry))
        try:
            await asyncio.gather(*map(self._stop, [*self._servers]))
        finally:
            hurrying.cancel()

    async def _interrupt(self, hurry: asyncio.Event) -> None:
        await hurry.wait()
        for server in self._servers.values():
            server.signal()

    async def stop(self, username: str) -> None:
        """Stop the server of a user, and forget the user's schedules: the hub does not have the user any more."""
        await self._remember(username, has_schedules=False)
        self._retries.pop(username, None)
        await self._stop(username)

    async def _running(self, account: Account) -> UserServer:
        server = self._servers.get(account.username)
        if server is not None and server.is_alive and _is_same_user(server.account, account):
            return server
        if server is not None:
            log("replacing user server", user=account.username)
            await server.stop()
        since, problem = self._failed.pop(account.username, (0.0, None))
        if problem is not None and time.monotonic() - since < _PAUSE:
            self._failed[account.username] = (since, problem)
            raise problem
        server = UserServer(account, self.address(account.username), self._settings)
        try:
            await self._start(server)
        except ProblemError as error:
            self._failed[account.username] = (time.monotonic(), error)
            raise
        self._servers[account.username] = server
        self._retries.pop(account.username, None)  # also if its user started it
        return server

    async def _start(self, server: UserServer) -> None:
        """Start a server when it has its turn, so that the first of many people do not wait for the last."""
        starting: asyncio.Task[None] | None = None
        try:
            async with self._turns:
                starting = asyncio.create_task(server.start())
                await asyncio.wait([starting], timeout=_LONGEST_TURN)
            await starting
        finally:
            if starting is not None and not starting.done():
                starting.cancel()
                await asyncio.wait([starting])

    async def _stop(self, username: str, *, unless_used: bool = False) -> None:
        async with self._locks[username]:
            server = self._servers.get(username)
            if server is not None and not (unless_used and self._is_used(server)):
                await server.stop()
                del self._servers[username]

    def _is_used(self, server: UserServer) -> bool:
        is_recent = server.is_alive and time.monotonic() - server.last_used < self._idle_timeout
        return bool(server.active) or is_recent

    async def _is_idle(self, server: UserServer) -> bool:
        """Whether a server has nothing to do; it can be used while it is asked."""
        if self._is_used(server):
            return False
        if not server.is_alive:
            return True
        if await self.note_schedules(server.account.username):
            return False
        health = await server.ask("/health")
        with suppress(AttributeError, KeyError, TypeError):
            return not health["running"] and not health["queue"]["queued"]
        return True


def _is_same_user(one: Account, other: Account) -> bool:
    """Whether a server may go on; one that runs notebooks does not end for another group or shell of its user."""
    return (one.uid, one.home) == (other.uid, other.home)
