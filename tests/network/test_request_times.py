"""Servers that keep a request alive: a byte now and then, or interim responses without end."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress

import pytest
import requests
from platform_server import Platform, platform_server

from generator.containers import registry_requests
from generator.containers.registry_session import anonymous, read_challenge, registry_session
from generator.network.address_policy import any_hook, any_platform
from generator.network.sessions import http_session
from generator.network.time_limits import time_limit
from generator.platforms import connection
from generator.platforms.connection import connect
from generator.platforms.platform import parse_platform
from generator.service.hooks import sending
from generator.shared.errors import PublishError

_SLOW = {
    "head": (b"HTTP/1.1 200 OK\r\nServer: ", b"x"),
    "body": (b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n", b"x"),
    "body of a closed connection": (b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n", b"x"),
    "chunk": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;", b"x"),
    "interim responses": (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
}
_Request = Callable[[str], object]


@contextmanager
def slow_server(first: bytes, then: bytes) -> Iterator[str]:
    """Serve a response without an end: some bytes at once, and others twenty times a second."""
    over = threading.Event()

    def respond(client: socket.socket) -> None:
        with client, suppress(OSError):
            client.recv(1 << 16)
            client.sendall(first)
            while not over.wait(0.05):
                client.sendall(then)

    def accept() -> None:
        with suppress(OSError):
            while True:
                threading.Thread(target=respond, args=(listener.accept()[0],), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=accept, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            over.set()
            listener.shutdown(socket.SHUT_RDWR)


def _get(address: str) -> None:
    with http_session(guarded=False) as session, time_limit(session, 0.5):
        session.get(address, timeout=60)


def _ask_platform(address: str) -> None:
    with connect(parse_platform(address), token="", policy=any_platform) as opened:
        opened.get(f"{address}/processes")


def _ask_registry(address: str) -> None:
    with registry_session(anonymous, plain=True) as session:
        read_challenge(session, address.removeprefix("http://"), plain=True)


@pytest.fixture(autouse=True)
def short_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "_CONNECT", 0.1)
    monkeypatch.setattr(connection, "_READ", 0.2)
    monkeypatch.setattr(connection, "_PAUSES", ())
    monkeypatch.setattr(registry_requests, "_LONGEST", 0.5)
    monkeypatch.setattr(sending, "_CONNECT", 0.3)
    monkeypatch.setattr(sending, "_READ", 0.2)


@pytest.mark.parametrize("answer", _SLOW.values(), ids=_SLOW)
@pytest.mark.parametrize(
    ("request_from", "error"),
    [(_get, requests.ReadTimeout), (_ask_platform, PublishError), (_ask_registry, requests.ReadTimeout)],
    ids=["session", "platform", "registry"],
)
def test_a_request_ends_although_bytes_arrive(
    request_from: _Request, error: type[Exception], answer: tuple[bytes, bytes]
) -> None:
    begun = time.monotonic()
    with slow_server(*answer) as address, pytest.raises(error, match=r"no (complete )?response within"):
        request_from(address)

    assert time.monotonic() - begun < 10


@pytest.mark.parametrize("answer", _SLOW.values(), ids=_SLOW)
def test_an_event_of_a_hook_ends_although_bytes_arrive(answer: tuple[bytes, bytes]) -> None:
    with slow_server(*answer) as address:
        outcome = sending.send(any_hook, f"{address}/hook", headers={}, body=b"{}", verify=True)

    has_head = b"\r\n\r\n" in answer[0]
    assert outcome.seconds < 10
    assert (outcome.status, outcome.error) == ((200, "") if has_head else (0, "no complete response within 0 s"))


def test_a_session_continues_after_a_request_that_took_too_long() -> None:
    with ExitStack() as stack:
        slow = stack.enter_context(slow_server(*_SLOW["head"]))
        other = stack.enter_context(platform_server(Platform()))
        session = stack.enter_context(http_session(guarded=False))
        with pytest.raises(requests.ReadTimeout), time_limit(session, 0.2):
            session.get(slow, timeout=60)
        with time_limit(session, 60):
            assert session.get(f"{other.address}/conformance", timeout=60).status_code == 200


def test_what_else_fails_in_time_keeps_its_error() -> None:
    with http_session(guarded=False) as session, pytest.raises(requests.ConnectionError), time_limit(session, 60):
        session.get("http://127.0.0.1:1/", timeout=60)
