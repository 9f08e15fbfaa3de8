"""The server of one user: a `packmill-runner serve` that runs as this user's system user, in its home.

It listens on a Unix socket that this process opens in a folder that nobody else can enter, and then hands over. So no
user reaches another one's server, and no user can put another socket or a link in its place.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import secrets
import signal
import socket
import subprocess
import time
from contextlib import closing, suppress
from typing import Any

import aiohttp

from generator.runner.server.hub.accounts import Account
from generator.runner.server.hub.scopes import Action
from generator.runner.server.hub.user_command import ServerSettings, server_command, server_environment
from generator.runner.server.operation.logs import log
from generator.runner.server.problems import ProblemError
from generator.shared.rate_limits import RateLimit

_BACKLOG = 128
_LAST_LINES, _LINES_PER_MINUTE = 5, 600
_LONGEST_ANSWER = 4 << 20
_LAST_WORDS = 1.0
"""Seconds for the last lines of a process that has ended."""
_SHORT, _ENDLESS = aiohttp.ClientTimeout(total=10), aiohttp.ClientTimeout(total=None, sock_connect=10)
_HEAD = 64 << 10


class UserServer:
    """One server; it is started once."""

    def __init__(self, account: Account, base_url: str, settings: ServerSettings) -> None:
        self.account, self.base_url = account, base_url
        self.active = 0
        """Requests that it is answering."""
        self.last_used = time.monotonic()
        self._settings = settings
        self._path = settings.sockets / f"{secrets.token_hex(4)}.sock"
        self._tokens: dict[Action, str] = {action: secrets.token_urlsafe(32) for action in ("read", "run")}
        self._process: asyncio.subprocess.Process | None = None
        self._lines: list[str] = []
        self._reading: asyncio.Task[None] | None = None
        self.session: aiohttp.ClientSession | None = None

    @property
    def is_alive(self) -> bool:
        """Whether the process runs."""
        return self._process is not None and self._process.returncode is None

    def token(self, action: Action) -> str:
        """Return the server's token for a caller who may do this."""
        return self._tokens[action]

    async def start(self) -> None:
        """Start the server and wait until it answers.

        Raises:
            ProblemError: 503, it does not start.
        """
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
                listener.bind(str(self._path))
                listener.listen(_BACKLOG)
                self._process = await self._spawn(listener)
        except OSError as error:  # among others, the user may not execute this Python
            self._path.unlink(missing_ok=True)
            raise self._start_problem(str(error)) from None
        connector = aiohttp.UnixConnector(path=str(self._path), limit=0)
        self.session = aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),  # a cookie of one caller's answer is not for the next caller
            auto_decompress=False,
            timeout=_ENDLESS,
            max_field_size=_HEAD,
            max_line_size=_HEAD,
        )
        try:
            await asyncio.wait_for(self._wait_for_answer(self.session), self._settings.start_timeout)
        except BaseException as error:
            await self.stop()
            if isinstance(error, asyncio.TimeoutError | aiohttp.ClientError):
                raise self._start_problem(self._last_line()) from None
            raise
        log("user server started", user=self.account.username, uid=self.account.uid, pid=self._process.pid)

    async def ask(self, path: str) -> Any:
        """Return what the server answers to a question of the service itself; None if it does not.

        The server belongs to its user, so the answer is checked where it is used.
        """
        if self.session is None:
            return None
        try:
            headers = {"Authorization": f"Bearer {self._tokens['read']}", "Accept": "application/json"}
            async with self.session.get(f"http://localhost{path}", headers=headers, timeout=_SHORT) as response:
                text = b""
                async for part in response.content.iter_any():
                    text += part
                    if len(text) > _LONGEST_ANSWER:
                        return None
                return await asyncio.to_thread(_read_object, text)
        except (aiohttp.ClientError, asyncio.TimeoutError, ValueError):
            return None

    def signal(self) -> None:
        """Ask the server to stop; a second time, to interrupt its runs."""
        if self.is_alive and self._process is not None:
            with suppress(ProcessLookupError):
                self._process.send_signal(signal.SIGTERM)

    async def stop(self) -> None:
        """Stop the server: running runs get the time of a shutdown, then they are interrupted and saved."""
        if self.is_alive and self._process is not None:
            self.signal()
            try:
                await asyncio.wait_for(self._process.wait(), self._settings.shutdown_timeout + 10)
            except asyncio.TimeoutError:
                log("killing user server", level=logging.WARNING, user=self.account.username)
                with suppress(ProcessLookupError):
                    self._process.kill()
                await self._process.wait()
            log("user server stopped", user=self.account.username)
        if self.session is not None:
            await self.session.close()
        if self._reading is not None:
            await asyncio.wait([self._reading], timeout=_LAST_WORDS)  # a process that is left may keep it open
            self._reading.cancel()
            with suppress(asyncio.CancelledError):
                await self._reading
        self._path.unlink(missing_ok=True)

    async def _spawn(self, listener: socket.socket) -> asyncio.subprocess.Process:
        account = self.account
        as_user: dict[str, Any] = {}
        if os.geteuid() == 0:
            as_user = {"user": account.uid, "group": account.gid, "extra_groups": account.groups}
        # with asyncio's own pipe, Process.wait() waits for all processes that have it, not for this one alone
        readable, writable = os.pipe()
        self._reading = asyncio.create_task(self._relay_lines(readable))
        try:
            return await asyncio.create_subprocess_exec(
                *server_command(account, self._settings, base_url=self.base_url, descriptor=listener.fileno()),
                cwd="/",
                env=server_environment(account, self._settings, self._tokens),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=writable,
                pass_fds=[listener.fileno()],
                start_new_session=True,
                **as_user,
            )
        finally:
            os.close(writable)

    async def _wait_for_answer(self, session: aiohttp.ClientSession) -> None:
        async with session.get("http://localhost/health/live"):
            pass  # its body may be without end

    async def _relay_lines(self, descriptor: int) -> None:
        """Write what the server writes to this log."""
        lines = asyncio.StreamReader()
        protocol = asyncio.StreamReaderProtocol(lines)
        pipe = os.fdopen(descriptor, "rb", buffering=0)
        transport, _ = await asyncio.get_running_loop().connect_read_pipe(lambda: protocol, pipe)
        with closing(transport):
            await self._relay(lines)

    async def _relay(self, lines: asyncio.StreamReader) -> None:
        limit = RateLimit(per_minute=_LINES_PER_MINUTE)
        while not lines.at_eof():
            try:
                line = (await lines.readline()).decode(errors="replace").rstrip()
            except ValueError:  # longer than a line of a log
                continue
            if not line:
                continue
            self._lines = [*self._lines[1 - _LAST_LINES :], line]
            if not limit.take(""):  # the process belongs to its user, who could fill the log
                log("user server", user=self.account.username, line=line)

    def _last_line(self) -> str:
        return next((line for line in reversed(self._lines) if line.strip()), "it does not answer")

    def _start_problem(self, reason: str) -> ProblemError:
        log("user server failed", level=logging.ERROR, user=self.account.username, reason=reason)
        return ProblemError(
            503,
            f"user {self.account.username!r}: the server of the notebooks did not start: {reason}",
            headers={"Retry-After": "10"},
        )


def _read_object(text: bytes) -> dict[str, Any] | None:
    try:
        value = json.loads(text)
    except RecursionError:
        raise ValueError("too many levels of lists and objects") from None
    return value if isinstance(value, dict) else None
