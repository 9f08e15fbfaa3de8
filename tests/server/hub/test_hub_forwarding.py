"""What passes between a caller and a user's server, which may be any program of this user."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from starlette.requests import ClientDisconnect

from generator.runner.server.hub.accounts import Account
from generator.runner.server.hub.forwarding import Forwarded, _texts
from generator.runner.server.hub.user_command import ServerSettings
from generator.runner.server.hub.user_server import UserServer
from generator.runner.server.problems import ProblemError

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n"
CUT_OFF = b"HTTP/1.1 200"


class Program:
    """A program in place of a user's server: sends a fixed response to every request."""

    def __init__(self, folder: Path, response: bytes) -> None:
        self.path, self._response = folder / "socket", response
        self.received = b""
        self.left = asyncio.Event()

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.received += await reader.readuntil(b"\r\n\r\n")
        writer.write(self._response)
        if self._response == CUT_OFF:
            writer.write_eof()
        self.received += await reader.read()
        self.left.set()
        writer.close()


def exchange(
    folder: Path,
    response: bytes,
    *,
    headers: Iterable[tuple[bytes, bytes]] = (),
    messages: Iterable[Any] = (),
    target: str = "/a%2Fb?c=%20d",
) -> tuple[Program, list[Any], BaseException | None]:
    """The program, and what the caller of a request is sent."""
    return asyncio.run(_exchange(folder, response, list(headers), list(messages), target))


async def _exchange(
    folder: Path, response: bytes, headers: list[tuple[bytes, bytes]], messages: list[Any], target: str
) -> tuple[Program, list[Any], BaseException | None]:
    program, sent, error = Program(folder, response), list[Any](), None
    listening = await asyncio.start_unix_server(program.answer, program.path)
    server = UserServer(ACCOUNT, "/base", SETTINGS)
    server.session = aiohttp.ClientSession(connector=aiohttp.UnixConnector(str(program.path)), auto_decompress=False)

    async def receive() -> Any:
        if messages:
            return messages.pop(0)
        return await asyncio.Event().wait()

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "POST" if messages else "GET", "headers": headers, "scheme": "https"}
    try:
        forwarded = Forwarded(server, target=target, action="read")
        await asyncio.wait_for(forwarded.answer({**scope, "request_id": "r1"}, receive, send), 60)
    except (ProblemError, ClientDisconnect) as caught:
        error = caught
    await server.session.close()
    await asyncio.wait_for(program.left.wait(), 60)
    listening.close()
    return program, sent, error


ACCOUNT = Account(username="ada", home=Path("/"), uid=1, gid=1, groups=(), login="ada", shell="")
SETTINGS = ServerSettings(sockets=Path("/"), options=(), variables=(), start_timeout=1, shutdown_timeout=1)


def test_the_server_gets_the_request_without_secrets_of_the_caller(tmp_path: Path) -> None:
    secret = [(b"authorization", b"token t0ken"), (b"cookie", b"t0ken=1"), (b"proxy-authorization", b"t0ken")]
    forged = [(b"x-forwarded-for", b"10.9.9.9"), (b"x-forwarded-host", b"forged"), (b"connection", b"close, x")]
    kept = [(b"host", b"hub.example"), (b"accept", b"text/html"), (b"x-custom", "ü".encode())]

    program, _, _ = exchange(tmp_path, OK + b"\r\nok", headers=[*secret, *forged, *kept])

    head = program.received.decode()
    assert head.startswith("GET /a%2Fb?c=%20d HTTP/1.1\r\n")
    assert "t0ken" not in head
    assert "forged" not in head
    assert "10.9.9.9" not in head
    for line in (
        "host: hub.example",
        "accept: text/html",
        "x-custom: ü",
        "X-Forwarded-Proto: https",
        "X-Request-ID: r1",
    ):
        assert line.lower() in head.lower()
    assert "authorization: bearer " in head.lower()


def test_the_server_sets_no_cookies_and_no_rules_for_the_whole_hub(tmp_path: Path) -> None:
    refused = b'Set-Cookie: a=b; Path=/\r\nClear-Site-Data: "*"\r\nService-Worker-Allowed: /\r\n'
    refused += b"Strict-Transport-Security: max-age=9\r\nAlt-Svc: h3\r\nNEL: {}\r\nReport-To: {}\r\n"

    _, sent, _ = exchange(tmp_path, OK + refused + b"X-Own: kept\r\n\r\nok")

    assert sent[0]["status"] == 200
    assert sorted(name for name, _ in sent[0]["headers"]) == [b"content-length", b"x-own"]
    assert b"".join(message["body"] for message in sent[1:]) == b"ok"


def test_a_caller_who_leaves_ends_the_request(tmp_path: Path) -> None:
    program, sent, error = exchange(
        tmp_path,
        b"",
        headers=[(b"content-length", b"2")],
        messages=[{"type": "http.request", "body": b"ab", "more_body": False}, {"type": "http.disconnect"}],
    )

    assert isinstance(error, ClientDisconnect)
    assert program.received.endswith(b"\r\n\r\nab")
    assert sent == []


@pytest.mark.parametrize(
    "response",
    [
        b"nonsense\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * 100_000 + b"\r\n\r\n",
        b"HTTP/1.1 999 X\r\n\r\n",
        b"HTTP/1.1 101 X\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n",
    ],
)
def test_a_response_that_is_none_is_an_error_of_the_server(tmp_path: Path, response: bytes) -> None:
    _, sent, error = exchange(tmp_path, response)

    assert isinstance(error, ProblemError)
    assert error.status == 502
    assert sent == []


def test_the_parts_of_a_body_pass_in_their_order(tmp_path: Path) -> None:
    parts = [(b"ab", True), (b"", True), (b"cd", True), (b"e", True), (b"", False)]
    messages = [{"type": "http.request", "body": part, "more_body": more} for part, more in parts]

    program, _, _ = exchange(
        tmp_path, b"", headers=[(b"content-length", b"5")], messages=[*messages, {"type": "http.disconnect"}]
    )

    assert program.received.endswith(b"\r\n\r\nabcde")


TOO_LARGE = b"HTTP/1.1 204 No Content\r\nLink: " + b"x" * 100_000 + b"\r\n\r\n"
BODY = {"type": "http.request", "body": b"ab", "more_body": False}


@pytest.mark.parametrize(
    ("target", "method", "response", "is_repeated"),
    [
        ("/runs", "GET", CUT_OFF, True),
        ("/runs", "GET", TOO_LARGE, False),
        ("/runs", "POST", CUT_OFF, False),
        ("/ogc/processes/a/execution", "POST", TOO_LARGE, False),
        ("/run/a.ipynb", "GET", CUT_OFF, False),
        ("/%72un?notebook=a.ipynb", "GET", CUT_OFF, False),
    ],
)
def test_only_a_request_that_started_no_run_is_to_be_repeated(
    target: str, method: str, response: bytes, is_repeated: bool, tmp_path: Path
) -> None:
    """Clients follow Retry-After, and each repetition of another request would run the notebook again."""
    messages, headers = ([BODY], [(b"content-length", b"2")]) if method == "POST" else ([], [])

    _, _, error = exchange(tmp_path, response, headers=headers, messages=messages, target=target)

    assert isinstance(error, ProblemError)
    assert error.status == 502
    assert ("Retry-After" in error.headers) == ("try again" in error.detail) == is_repeated
    assert ("invalid response" in error.detail) == (response is TOO_LARGE)
    assert ("before you repeat" in error.detail) == (target != "/runs" or method == "POST")


def test_a_header_that_is_not_text_is_refused() -> None:
    with pytest.raises(ProblemError, match="UTF-8"):
        _texts([(b"x", b"\xff")])
