"""Slow clients: whoever sends half a request, or reads half an answer, holds nobody up."""

from __future__ import annotations

import resource
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import pytest
import requests
from ci_service import ACCESS, Service

from generator.shared.http_connections import ConnectionLimits, address_group, within_open_files

_HALF_A_HEAD = b"GET /-/sign-in HTTP/1.1\r\nHost: x\r\nX-Slow: "
_HALF_A_BODY = b"POST /api/v4/projects/1/trigger/pipeline HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{"


@contextmanager
def _connected(service: Service, count: int, sent: bytes) -> Iterator[list[socket.socket]]:
    """Clients that have sent something and wait."""
    with ExitStack() as stack:
        found = []
        for _ in range(count):
            client = stack.enter_context(socket.create_connection(("127.0.0.1", service.port), timeout=60))
            client.sendall(sent)
            found.append(client)
        yield found


def _answers(service: Service) -> bool:
    return requests.get(f"{service.url}/-/sign-in", timeout=60).status_code == 200


def _answer(client: socket.socket) -> bytes:
    """What a client is sent until its connection is closed."""
    text = b""
    try:
        while chunk := client.recv(1 << 16):
            text += chunk
    except ConnectionResetError:
        pass
    return text


@pytest.mark.parametrize(
    "sent", [b"no request\r\n\r\n", b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: other\r\nConnection: upgrade\r\n\r\n"]
)
def test_a_malformed_request_leaves_nothing_in_the_log(service: Service, sent: bytes) -> None:
    """Clients without a token could fill the disk with it."""
    log = service.data.with_suffix(".log")
    before = log.stat().st_size
    with _connected(service, 1, sent) as clients:
        assert clients[0].recv(1 << 16)

    assert b"request" not in log.read_bytes()[before:]


@pytest.mark.parametrize("sent", [b"", _HALF_A_HEAD, _HALF_A_BODY])
def test_after_300_half_sent_requests_the_next_is_answered(
    another_service: Callable[..., Service], sent: bytes
) -> None:
    service = another_service("--connections", "100", "--request-timeout", "5 minutes")
    with _connected(service, 300, sent):
        assert _answers(service)
        assert service.trigger() == 1


def test_files_are_enough_for_all_connections(another_service: Callable[..., Service]) -> None:
    """A shell's usual limit would be, with a few hundred connections more."""
    options = ("--connections-per-address", "1000", "--request-timeout", "5 minutes")
    service = another_service(*options, open_files=200)
    with _connected(service, 300, _HALF_A_HEAD):
        assert _answers(service)
        assert service.wait(service.trigger()) == "success"
    assert "out of system resource" not in service.data.with_suffix(".log").read_text()


def test_connections_that_do_not_fit_are_said_at_start(another_service: Callable[..., Service]) -> None:
    service = another_service("--connections", str(10**8))

    assert "instead of 100000000: this process may open" in service.data.with_suffix(".log").read_text()
    assert _answers(service)


def test_a_small_limit_is_kept() -> None:
    assert within_open_files(ConnectionLimits(total=3, per_address=None, request=60))[0] == 3


@pytest.mark.parametrize("sent", [b"", _HALF_A_HEAD, _HALF_A_BODY])
def test_a_request_has_to_arrive_in_time(another_service: Callable[..., Service], sent: bytes) -> None:
    """However often a byte comes."""
    service = another_service("--request-timeout", "1 second")
    began = time.monotonic()
    with _connected(service, 1, sent) as (client,):
        client.settimeout(0.1)
        text = b""
        while not text and time.monotonic() - began < 120:
            try:
                if sent:
                    client.sendall(b"x")
                text = client.recv(1 << 16)
            except TimeoutError:
                continue
        assert text.startswith(b"HTTP/1.1 408 ")
    assert time.monotonic() - began > 0.9
    assert "Traceback" not in service.data.with_suffix(".log").read_text()


def test_a_second_request_of_a_connection_has_to_arrive_in_time_too(another_service: Callable[..., Service]) -> None:
    service = another_service("--request-timeout", "1 second")
    with _connected(service, 1, b"GET /-/sign-in HTTP/1.1\r\nHost: x\r\n\r\n") as (client,):
        first = client.recv(1 << 16)
        client.sendall(_HALF_A_HEAD)

        assert first.startswith(b"HTTP/1.1 200 ")
        assert b"HTTP/1.1 408 " in _answer(client)


def test_one_address_takes_no_more_than_its_share(another_service: Callable[..., Service]) -> None:
    service = another_service("--connections-per-address", "5", "--request-timeout", "5 minutes")
    with _connected(service, 6, _HALF_A_HEAD) as clients:
        assert _answer(clients[0]).startswith(b"HTTP/1.1 503 ")
        for client in clients[1:]:
            client.settimeout(0.05)
            with pytest.raises(TimeoutError):
                client.recv(1)


def test_a_request_that_is_being_answered_makes_no_room(another_service: Callable[..., Service]) -> None:
    """Long logs and downloads go on, whatever others do."""
    service = another_service("--connections", "10", "--connections-per-address", "10")
    number = service.trigger(script="head -c 30000000 /dev/zero | tr '\\0' x; echo")
    service.wait(number)
    job = service.jobs(number)["one"]["id"]
    with requests.get(
        f"{service.root}/jobs/{job}/trace", headers={"PRIVATE-TOKEN": ACCESS}, stream=True, timeout=60
    ) as answer:
        left = answer.iter_content(1 << 16)
        length = len(next(left))
        with _connected(service, 30, _HALF_A_HEAD):
            assert _answers(service)
            length += sum(map(len, left))

    assert length > 30_000_000


@pytest.mark.parametrize(
    ("host", "group"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3::4", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("", ""),
    ],
)
def test_addresses_that_one_client_has_are_one(host: str, group: str) -> None:
    assert address_group(host) == group


@pytest.mark.parametrize(
    ("hard", "connections", "files"), [(1 << 20, 1000, 3384), (4096, 1000, 3384), (1024, 213, 1024), (400, 16, 400)]
)
def test_a_connection_may_have_a_log_and_an_archive_open(
    hard: int, connections: int, files: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With descriptors for sockets alone, those who download would leave none for jobs."""
    limits = [(256, hard)]
    monkeypatch.setattr(resource, "getrlimit", lambda _: limits[-1])
    monkeypatch.setattr(resource, "setrlimit", lambda _, given: limits.append(given))

    most = ConnectionLimits(total=1000, per_address=None, request=1.0)
    assert within_open_files(most) == (connections, files)
    assert limits[-1] == (files, hard)
