"""Limits of the runner's server: bodies, heads, connections, requests and runs of one token, times."""

from __future__ import annotations

import re
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest
import requests
from notebook_server import NotebookServer, serve_command, write_notebooks
from support import here, write_notebook
from waiting import wait_until

TOKEN, RATED, QUEUED = (f"{name}-0123456789abcdefghij" for name in ("token", "rated", "queued"))
GIVEN = f"token:admin:{TOKEN} rated:run:{RATED} queued:run:{QUEUED}"
HEADERS = {"Authorization": f"Bearer {TOKEN}"}
MEBIBYTE = 1 << 20
BEGUN = b"POST /runs HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer " + TOKEN.encode() + b"\r\n"


@pytest.fixture(scope="module")
def limited(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NotebookServer]:
    folder = tmp_path_factory.mktemp("limited")
    write_notebooks(folder / "root")
    code = "open('a', 'wb').truncate(size)\nfor n in range(files):\n    open(f'{n}.txt', 'w').close()"
    write_notebook(folder / "root" / "writes.ipynb", "size = 0\nfiles = 0", code)
    options = {
        "WORKERS": "1",
        "MAX_BODY": "2K",
        "MAX_UPLOAD": "1M",
        "CONNECTIONS": "20",
        "REQUEST_TIMEOUT": "1s",
        "RATE_LIMIT": "300",
        "QUEUE_PER_TOKEN": "1",
        "REQUESTS_PER_TOKEN": "3",
        "TIMEOUT": "3s",
        "MAX_OUTPUT": "20M",
        "MAX_FILES": "500",
        "TOKENS": GIVEN,
    }
    variables = {f"PACKMILL_SERVE_{name}": value for name, value in options.items()}
    running = NotebookServer(folder / "root", folder / "data", **variables).start()
    yield running
    running.stop()


def chunks(size: int) -> Iterator[bytes]:
    """A body without Content-Length."""
    for _ in range(size // 65536):
        yield b"x" * 65536


@pytest.mark.parametrize("kind", ["application/json", "multipart/form-data; boundary=b"])
@pytest.mark.parametrize("declared", [True, False])
@pytest.mark.parametrize("path", ["/runs", "/missing"])
def test_a_body_beyond_the_limit_is_refused(limited: NotebookServer, path: str, kind: str, declared: bool) -> None:
    data = b"x" * (8 * MEBIBYTE) if declared else chunks(8 * MEBIBYTE)
    answer = limited.ask("POST", path, data=data, headers={**HEADERS, "Content-Type": kind})

    if path == "/missing" and not declared:
        assert answer.status_code == 404, "a body that nobody reads is not read"
        return
    assert answer.status_code == 413
    assert answer.headers["Content-Type"] == "application/problem+json"
    limit = MEBIBYTE if kind.startswith("multipart") else 2048
    assert f"{limit} bytes" in answer.json()["detail"]


@pytest.mark.parametrize("path", ["/schedules", "/run/double.ipynb", "/template/a"])
def test_json_that_calls_itself_a_form_has_the_limit_of_json(limited: NotebookServer, path: str) -> None:
    """The front door takes forms up to the limit of uploads, which go to the disk."""
    headers = {**HEADERS, "Content-Type": "multipart/form-data; boundary=b"}
    answer = limited.ask("POST", path, data=b'{"parameters": {"x": "' + b"x" * 4000 + b'"}}', headers=headers)

    assert answer.status_code == 413
    assert "2048 bytes" in answer.text


def test_no_body_is_read_without_its_own_limit() -> None:
    server = here.parent / "generator" / "runner" / "server"
    unlimited = [
        path for path in server.rglob("*.py") if re.search(r"await request\.(body|json|form)\(", path.read_text())
    ]

    assert unlimited == []


def test_a_client_that_reads_only_after_sending_gets_the_answer(limited: NotebookServer) -> None:
    body = b"x" * (8 * MEBIBYTE)
    with socket.create_connection(("127.0.0.1", limited.port), timeout=60) as connection:
        connection.sendall(BEGUN + f"Content-Length: {len(body)}\r\n\r\n".encode() + body)
        answer = b"".join(iter(lambda: connection.recv(65536), b""))

    assert answer.startswith(b"HTTP/1.1 413 ")


def test_a_form_of_a_page_is_bounded_before_it_is_parsed(limited: NotebookServer) -> None:
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    answer = limited.ask("POST", "/sign-in", data=chunks(8 * MEBIBYTE), headers=headers)

    assert answer.status_code == 413


def test_a_body_within_the_limit_is_read(limited: NotebookServer) -> None:
    body = {"notebook": "missing.ipynb", "parameters": {"text": "x" * 1500}}

    assert limited.ask("POST", "/runs", json=body, headers=HEADERS).status_code == 404


def talk(server: NotebookServer, *parts: bytes, pause: float = 0.0) -> bytes:
    """Send parts of a request slowly; the response, up to the end of the connection."""
    received = b""
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as connection:
        with suppress(OSError):
            for part in parts:
                connection.sendall(part)
                time.sleep(pause)
        with suppress(ConnectionResetError):
            while data := connection.recv(65536):
                received += data
    return received


@pytest.mark.parametrize(
    "parts",
    [
        (b"GET /runs HTTP/1.1\r\n",),
        (BEGUN, *(b"X-More: 1\r\n" for _ in range(40))),
        (BEGUN + b"Content-Type: application/json\r\nContent-Length: 90\r\n\r\n", *(b"x" for _ in range(40))),
    ],
    ids=["silent", "trickling head", "trickling body"],
)
def test_a_request_has_to_arrive_in_time(limited: NotebookServer, parts: tuple[bytes, ...]) -> None:
    begun = time.monotonic()
    answer = talk(limited, *parts, pause=0.1)

    assert answer.startswith(b"HTTP/1.1 408 ")
    assert time.monotonic() - begun < 20


def test_idle_connections_make_room_for_others(limited: NotebookServer) -> None:
    idle = [socket.create_connection(("127.0.0.1", limited.port)) for _ in range(40)]
    try:
        assert limited.ask("GET", "/runs", headers=HEADERS).status_code == 200
    finally:
        for connection in idle:
            connection.close()


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"GET /" + b"a" * 50_000 + b" HTTP/1.1\r\nConnection: close", 414),
        (b"GET /?" + b"a" * 50_000 + b" HTTP/1.1\r\nConnection: close", 414),
        (b"GET /" + b"a" * 1_000_000 + b" HTTP/1.1", 400),
        (b"GET / HTTP/1.1\r\nConnection: close" + b"\r\nX-Many: headers" * 3000, 431),
        (b"GET / HTTP/1.1" + b"\r\nX-Many: headers" * 60_000, 400),
        (b"GET / HTTP/1.1\r\nBad Header", 400),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc", 400),
    ],
    ids=["long path", "long query", "longer path", "headers", "more headers", "not HTTP", "TLS"],
)
def test_heads_that_are_too_long_or_invalid_are_refused(limited: NotebookServer, head: bytes, status: int) -> None:
    answer = talk(limited, head + b"\r\nHost: localhost\r\n\r\n")

    assert answer.startswith(f"HTTP/1.1 {status} ".encode())
    assert b"application/problem+json" in answer


def test_a_token_has_so_many_requests_a_minute(limited: NotebookServer) -> None:
    rated = {"Authorization": f"Bearer {RATED}"}
    answers = [limited.ask("GET", "/runs", headers=rated, params={"limit": 1})]
    deadline = time.monotonic() + 600  # a busy machine answers so few a minute that more are needed
    while answers[-1].status_code == 200 and time.monotonic() < deadline:
        with ThreadPoolExecutor(3) as clients:
            asked = [clients.submit(limited.ask, "GET", "/runs", headers=rated, params={"limit": 1}) for _ in range(90)]
        answers += sorted((one.result() for one in asked), key=lambda answer: answer.status_code)

    assert answers[0].status_code == 200
    assert answers[-1].status_code == 429
    assert int(answers[-1].headers["Retry-After"]) >= 1
    assert limited.ask("GET", "/runs", headers=HEADERS).status_code == 200, "the limit is the token's own"


def test_a_token_has_so_many_requests_at_once(limited: NotebookServer) -> None:
    body = {"notebook": "slow.ipynb", "parameters": {"seconds": 30}}
    run = limited.ask("POST", "/runs", json=body, headers=HEADERS).json()["id"]
    streams = [requests.get(f"{limited.url}/runs/{run}/events", headers=HEADERS, stream=True) for _ in range(4)]
    other = limited.ask("GET", "/notebooks", headers={"Authorization": f"Bearer {QUEUED}"})
    for stream in streams:
        stream.close()

    def is_dismissed() -> bool:
        return limited.ask("DELETE", f"/runs/{run}", headers=HEADERS).status_code == 200

    assert [stream.status_code for stream in streams] == [200, 200, 200, 429]
    assert other.status_code == 200
    wait_until(is_dismissed, message="closed streams no longer count")


@pytest.mark.parametrize("path", ["/runs?wait=60", "/run/slow.ipynb"])
def test_a_client_that_stops_waiting_for_its_run_counts_no_longer(limited: NotebookServer, path: str) -> None:
    body = {"parameters": {"seconds": 30}, **({"notebook": "slow.ipynb"} if path.startswith("/runs") else {})}
    for _ in range(4):
        with pytest.raises(requests.ReadTimeout):
            requests.post(limited.url + path, json=body, headers={**HEADERS, "Idempotency-Key": path}, timeout=0.5)

    listed = limited.ask("GET", "/runs?state=running&state=queued", headers=HEADERS)
    assert listed.status_code == 200
    for run in listed.json()["runs"]:
        assert limited.ask("DELETE", f"/runs/{run['id']}", headers=HEADERS).status_code == 200


def test_a_token_has_so_many_waiting_runs(limited: NotebookServer) -> None:
    body = {"notebook": "slow.ipynb", "parameters": {"seconds": 30}}
    first = limited.ask("POST", "/runs", json=body, headers=HEADERS).json()["id"]
    wait_until(
        lambda: limited.ask("GET", f"/runs/{first}", headers=HEADERS).json()["state"] == "running",
        message="the only worker is busy",
    )
    queued = {"Authorization": f"Bearer {QUEUED}"}
    answers = [limited.ask("POST", "/runs", json={"notebook": "double.ipynb"}, headers=queued) for _ in range(2)]
    other = limited.ask("POST", "/runs", json={"notebook": "double.ipynb"}, headers=HEADERS)
    for run in (first, answers[0].json()["id"], other.json()["id"]):
        limited.ask("DELETE", f"/runs/{run}", headers=HEADERS)

    assert [answer.status_code for answer in answers] == [202, 429]
    assert "Retry-After" in answers[1].headers
    assert other.status_code == 202


@pytest.mark.parametrize(
    ("limits", "reason"),
    [
        ({"time_limit": 0.5}, "run-time-limit"),
        ({"cell_time_limit": 0.5}, "cell-time-limit"),
        ({"time_limit": 1000, "cell_time_limit": 1000}, "run-time-limit"),
    ],
)
def test_clients_lower_the_time_limits_but_do_not_raise_them(
    limited: NotebookServer, limits: dict[str, float], reason: str
) -> None:
    body = {"notebook": "slow.ipynb", "parameters": {"seconds": 60}, **limits}
    answer = limited.ask("POST", "/runs?wait=60", json=body, headers=HEADERS)

    assert answer.json()["reason"] == reason
    assert answer.json()["run"]["state"] == "failed"


@pytest.mark.parametrize(
    ("parameters", "limit"),
    [({"size": 21 << 20}, "more than 20 MiB"), ({"files": 600}, "more than 500 files and folders")],
    ids=["size", "files"],
)
def test_a_run_that_writes_too_much_fails_with_the_limit(
    limited: NotebookServer, parameters: dict[str, int], limit: str
) -> None:
    body = {"notebook": "writes.ipynb", "parameters": parameters}
    answer = limited.ask("POST", "/runs?wait=60", json=body, headers=HEADERS).json()

    assert (answer["run"]["state"], answer["reason"]) == ("failed", "output-limit")
    assert limit in str(answer)
    left = [path for path in limited.data.rglob("*.txt") if path.stem.isdecimal()]
    assert left == []
    again = limited.ask("POST", "/runs?wait=60", json={"notebook": "writes.ipynb"}, headers=HEADERS).json()
    assert again["run"]["state"] == "succeeded"


@pytest.mark.parametrize(
    ("variable", "value"), [("QUEUE", "many"), ("PORT", "x"), ("KEEP", "ever"), ("LOG_FORMAT", "xml")]
)
def test_a_variable_that_cannot_be_used_is_refused(tmp_path: Path, variable: str, value: str) -> None:
    refused = serve_command(tmp_path, tmp_path, **{f"PACKMILL_SERVE_{variable}": value})

    assert refused.returncode == 2
    assert value in refused.stderr
