"""Users' servers that do not keep to any rule: they belong to their users, who can replace them by other programs."""

from __future__ import annotations

import asyncio
import os
import pwd
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

pytest.importorskip("jupyterhub")

from generator.runner.server.hub import user_server
from generator.runner.server.hub.accounts import Account
from generator.runner.server.hub.user_command import ServerSettings
from generator.runner.server.hub.user_server import UserServer
from generator.runner.server.problems import ProblemError

_ANSWERING = """\
import signal, socket, subprocess, sys
listener = socket.socket(fileno=int(sys.argv[1]))
answer = b"HTTP/1.1 200 OK\\r\\nContent-Length: %d\\r\\nConnection: close\\r\\n\\r\\n%s"
body = b"{}"
def serve():
    while True:
        connection, _ = listener.accept()
        connection.recv(65536)
        connection.sendall(answer % (len(body), body))
        connection.close()
"""
_ENDLESS = """\
def serve():
    connection, _ = listener.accept()
    connection.recv(65536)
    try:
        connection.sendall(b"HTTP/1.1 200 OK\\r\\n\\r\\n")
        while True:
            connection.sendall(bytes(65536))
            time.sleep(0.01)
    except OSError:
        time.sleep(60)
"""
_COOKIES = """\
def serve():
    while True:
        connection, _ = listener.accept()
        body = b'{"cookies": %d}' % connection.recv(65536).lower().count(b"\\r\\ncookie:")
        sent = answer % (len(body), body)
        connection.sendall(sent.replace(b"Connection", b"Set-Cookie: a=b; Path=/\\r\\nConnection"))
        connection.close()
"""
_DEAF = "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
_LEAVES_A_PROCESS = (
    "left = subprocess.Popen(['sleep', '60'], start_new_session=True)\nprint(left.pid, file=sys.stderr)\n"
)
_DEEP = "body = b'[' * 100_000\n"


@asynccontextmanager
async def _started(folder: Path, *command: str) -> AsyncIterator[UserServer]:
    """A server of this process's own user with another command, which gets the socket's file descriptor."""
    own = pwd.getpwuid(os.geteuid())
    account = Account(
        username="ada", home=folder, uid=own.pw_uid, gid=own.pw_gid, groups=(), login=own.pw_name, shell=""
    )
    settings = ServerSettings(sockets=folder, options=[], variables=[], start_timeout=60, shutdown_timeout=-9.5)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(user_server, "server_command", lambda *_, descriptor, **__: [*command, str(descriptor)])
        server = UserServer(account, "/user/ada", settings)
        await server.start()
        try:
            yield server
        finally:
            await server.stop()


def _script(*lines: str) -> list[str]:
    return [sys.executable, "-c", "".join([_ANSWERING, *lines, "serve()\n"])]


@pytest.mark.parametrize("lines", [(), (_DEAF,), (_LEAVES_A_PROCESS,), (_DEAF, _LEAVES_A_PROCESS)])
def test_a_server_stops_though_it_ignores_signals_or_leaves_a_process(tmp_path: Path, lines: Sequence[str]) -> None:
    """A process that is left has the server's stderr, which the service reads."""

    async def stop() -> UserServer:
        async with _started(tmp_path, *_script(*lines)) as server:
            pass
        return server

    server = asyncio.run(asyncio.wait_for(stop(), 60))

    assert not server.is_alive
    assert not list(tmp_path.iterdir())


def test_the_first_answer_is_not_read_to_its_end(tmp_path: Path) -> None:
    async def start() -> bool:
        async with _started(tmp_path, *_script("import time\n", _ENDLESS)) as server:
            return server.is_alive

    assert asyncio.run(asyncio.wait_for(start(), 30))


def test_an_answer_that_no_reader_of_json_takes_is_none(tmp_path: Path) -> None:
    async def ask() -> object:
        async with _started(tmp_path, *_script(_DEEP)) as server:
            return await server.ask("/schedules")

    assert asyncio.run(ask()) is None


def test_a_server_gets_no_cookie_that_it_set(tmp_path: Path) -> None:
    async def ask() -> object:
        async with _started(tmp_path, *_script(_COOKIES)) as server:
            return await server.ask("/")

    assert asyncio.run(ask()) == {"cookies": 0}


def test_a_server_that_cannot_be_executed_is_reported_with_the_reason(tmp_path: Path) -> None:
    async def start() -> None:
        async with _started(tmp_path, "/etc/passwd"):
            pass

    with pytest.raises(ProblemError, match=r"did not start: .*Permission denied: '/etc/passwd'"):
        asyncio.run(start())

    assert not list(tmp_path.iterdir())
