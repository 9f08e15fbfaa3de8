"""Requests that no honest client sends: each gets a clean refusal, and the server goes on."""

from __future__ import annotations

import gzip
import json
import socket
from collections.abc import Iterator
from typing import Any

import pytest
from notebook_server import NotebookServer, write_notebooks
from support import write_notebook

JSON = {"Content-Type": "application/json"}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
MULTIPART = {"Content-Type": "multipart/form-data; boundary=b"}


ODD = "from packmill import glue\nglue('nan', float('nan'))\nglue('nul', '\\0')"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NotebookServer]:
    folder = tmp_path_factory.mktemp("hostile")
    write_notebooks(folder / "root")
    (folder / "secret.ipynb").write_text((folder / "root" / "double.ipynb").read_text())
    write_notebook(folder / "root" / "odd.ipynb", "x: int = 1", ODD)
    write_notebook(folder / "root" / "odd_error.ipynb", "x: int = 1", "raise ValueError('half \\ud800, NUL \\0')")
    (folder / "root" / "link.ipynb").symlink_to(folder / "secret.ipynb")
    running = NotebookServer(folder / "root", folder / "data", "--max-body", "1M").start()
    yield running
    running.stop()


def run_of(x: str) -> bytes:
    return f'{{"notebook": "double.ipynb", "parameters": {{"x": {x}}}}}'.encode()


def part(head: str, content: bytes = b"1") -> bytes:
    return b"--b\r\n" + head.encode("utf-8", "surrogatepass") + b"\r\n\r\n" + content + b"\r\n--b--\r\n"


def field(rest: str, content: bytes = b"1") -> bytes:
    return part(f"Content-Disposition: form-data; {rest}", content)


BODIES: list[tuple[str, dict[str, str], bytes]] = [
    ("deep JSON", JSON, b"[" * 100_000),
    ("deep values", JSON, run_of("[" * 500 + "]" * 500)),
    ("deep objects", JSON, run_of('{"a":' * 500 + "1" + "}" * 500)),
    ("NaN", JSON, run_of("NaN")),
    ("Infinity", JSON, run_of("-Infinity")),
    ("a float beyond floats", JSON, run_of("1e999")),
    ("an integer beyond 64 bits", JSON, run_of("9" * 30)),
    ("an integer of 100,000 digits", JSON, run_of("9" * 100_000)),
    ("a name twice", JSON, b'{"notebook": "double.ipynb", "notebook": "slow.ipynb"}'),
    ("a parameter twice", JSON, run_of('1, "x": 2')),
    ("half a surrogate pair", JSON, run_of('"\\ud800"')),
    ("half a surrogate pair as a name", JSON, run_of('1, "\\udfff": 1')),
    ("bytes that are not UTF-8", JSON, b'{"notebook": "\xff"}'),
    ("NUL", JSON, b'{"notebook": "double.ipynb\\u0000"}'),
    ("raw NUL", JSON, b'{"notebook": "double.ipynb\x00"}'),
    ("a notebook that is a number", JSON, b'{"notebook": 5}'),
    ("a notebook that is a list", JSON, b'{"notebook": ["double.ipynb"]}'),
    ("a very long name", JSON, json.dumps({"notebook": "a/" * 50_000 + "x.ipynb"}).encode()),
    ("a link out of the folder", JSON, b'{"notebook": "link.ipynb"}'),
    ("a path out of the folder", JSON, b'{"notebook": "../secret.ipynb"}'),
    ("an absolute path", JSON, b'{"notebook": "/etc/passwd"}'),
    ("an unknown field", JSON, b'{"notebook": "double.ipynb", "parameter": {}}'),
    ("a way that does not exist", JSON, b'{"notebook": "double.ipynb", "kernels": "root"}'),
    ("a way that is a list", JSON, b'{"notebook": "double.ipynb", "kernels": ["cold"]}'),
    ("a time limit below zero", JSON, b'{"notebook": "double.ipynb", "time_limit": -1}'),
    ("a time limit that is a boolean", JSON, b'{"notebook": "double.ipynb", "time_limit": true}'),
    ("a huge time limit", JSON, b'{"notebook": "double.ipynb", "time_limit": ' + b"9" * 400 + b"}"),
    ("an unknown parameter", JSON, run_of('1, "y": 1')),
    ("a reserved input", JSON, run_of('1, "output_template": "{{ x }}"')),
    ("no JSON", JSON, b"x=1"),
    ("null", JSON, b"null"),
    ("two documents", JSON, run_of("1") * 2),
    ("too large", JSON, run_of('"' + "x" * 2_000_000 + '"')),
    ("text", {"Content-Type": "text/plain"}, run_of("1")),
    ("XML", {"Content-Type": "application/xml"}, b"<!DOCTYPE x [<!ENTITY y SYSTEM 'file:///etc/passwd'>]><x>&y;</x>"),
    ("a compressed body", {**JSON, "Content-Encoding": "gzip"}, gzip.compress(run_of("1"))),
    ("a form that is not ASCII", FORM, b"notebook=\xff"),
    ("a form with bad UTF-8", FORM, b"notebook=deep/files.ipynb&name=%ff"),
    ("a form with half a surrogate pair", FORM, b"notebook=deep/files.ipynb&name=%ed%a0%80"),
    ("a form with too many fields", FORM, b"a=1&" * 20_000),
    ("a form with a value that does not fit", FORM, b"notebook=double.ipynb&x=five"),
    ("an empty form", FORM, b""),
    ("no boundary", {"Content-Type": "multipart/form-data"}, field('name="x"')),
    ("a long boundary", {"Content-Type": f"multipart/form-data; boundary={'b' * 100}"}, b""),
    ("another boundary", MULTIPART, b"--c\r\n\r\n\r\n--c--\r\n"),
    ("a form without an end", MULTIPART, b'--b\r\nContent-Disposition: form-data; name="x"\r\n\r\n1'),
    ("a form with nothing", MULTIPART, b""),
    ("a part without a name", MULTIPART, part("Content-Disposition: form-data")),
    ("a part without a head", MULTIPART, b"--b\r\n\r\n1\r\n--b--\r\n"),
    ("a part with a long head", MULTIPART, field(f'name="{"x" * 20_000}"')),
    ("a part with many heads", MULTIPART, part("".join(f"A{n}: b\r\n" for n in range(100)) + "B: c")),
    ("a part of bad UTF-8", MULTIPART, field('name="x"', b"\xff")),
    ("a name of bad UTF-8", MULTIPART, field('name="\ud83d"')),
    ("bad JSON in a part", MULTIPART, field('name="x"\r\nContent-Type: application/json', b"{")),
    ("a file for the notebook's name", MULTIPART, field('name="notebook"; filename="x"')),
    ("a file name with a path", MULTIPART, field('name="x"; filename="../../x"')),
    ("a field name with a path", MULTIPART, field('name="../../x"; filename="x"')),
]  # fmt: skip


@pytest.mark.parametrize(("headers", "body"), [one[1:] for one in BODIES], ids=[one[0] for one in BODIES])
def test_hostile_bodies_are_refused(server: NotebookServer, headers: dict[str, str], body: bytes) -> None:
    before = set(server.data.glob("runs/*/*"))
    answer = server.ask("POST", "/runs", data=body, headers=headers)

    check_refusal(answer)
    assert set(server.data.glob("runs/*/*")) == before


def check_refusal(answer: Any) -> None:
    assert 400 <= answer.status_code < 500, answer.text
    assert answer.headers["Content-Type"] == "application/problem+json"
    problem = answer.json()
    assert problem["status"] == answer.status_code
    assert len(answer.text) < 4000


TARGETS = [
    "/runs/..%2f..%2fetc%2fpasswd",
    "/runs/%00",
    "/runs/%ff",
    "/runs/" + "a" * 10_000,
    "/runs/{}/outputs/%2e%2e%2f%2e%2e%2finputs.json",
    "/runs/{}/outputs/..%5c..%5cx",
    "/runs/{}/outputs/%ff%fe",
    "/runs/{}/outputs//etc/passwd",
    "/runs/{}/outputs/" + "a" * 5000,
    "/runs?state=unknown",
    "/runs?limit=0",
    "/runs?limit=99999999999999999999999",
    "/runs?limit=1e3",
    "/notebooks/..%2fsecret.ipynb",
    "/notebooks/%2e%2e/secret.ipynb",
    "/notebooks/double.ipynb%00",
    "/notebooks/%ff.ipynb",
    "/notebooks/link.ipynb",
    "/notebooks//etc/passwd",
    "/notebooks/" + "a/" * 3000 + "x.ipynb",
    "/notebooks/" + "a" * 3000 + ".ipynb",
    "/notebooks/.hidden.ipynb",
    "/notebooks/missing.ipynb/openapi.json",
    "/%00",
    "/%2e%2e/%2e%2e/etc/passwd",
]


@pytest.mark.parametrize("target", TARGETS, ids=[target[:50] for target in TARGETS])
def test_hostile_addresses_are_refused(server: NotebookServer, target: str) -> None:
    run = server.run("double.ipynb")["run"]["id"] if "{}" in target else ""
    status, head, body = raw(
        server, f"GET {target.replace('{}', run)} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode()
    )

    assert 400 <= status < 500, body
    assert b"application/problem+json" in head
    assert json.loads(body)["status"] == status


@pytest.mark.parametrize("value", ["nan", "inf", "-1", "five", "1e400", "9" * 500])
def test_hostile_waits_are_refused(server: NotebookServer, value: str) -> None:
    answer = server.ask("POST", "/runs", params={"wait": value}, json={"notebook": "missing.ipynb"})
    check_refusal(answer)


@pytest.mark.parametrize(
    "headers",
    [
        {"Prefer": "wait=" + "9" * 5000},
        {"Idempotency-Key": "x" * 5000},
        {"Accept": "text/html;q=" + "9" * 400 + ", " * 1000},
        {"Content-Type": "application/json; charset=" + "x" * 5000},
        {"Authorization": "Bearer " + "x" * 5000},
        {"Cookie": "=;" * 2000},
    ],
    ids=str,
)
def test_hostile_headers_do_no_harm(server: NotebookServer, headers: dict[str, str]) -> None:
    answer = server.ask("POST", "/runs", data=b'{"notebook": "missing.ipynb"}', headers={**JSON, **headers})
    assert 400 <= answer.status_code < 500, answer.text


@pytest.mark.parametrize("method", ["PUT", "PATCH", "TRACE", "OPTIONS", "PROPFIND", "CONNECT"])
def test_other_methods_are_refused(server: NotebookServer, method: str) -> None:
    request = f"{method} /runs HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    status, head, _ = raw(server, request.encode())

    assert status in (400, 405)
    assert status == 400 or b"allow: POST, GET" in head


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"GARBAGE\r\n\r\n",
        b"GET /runs HTTP/9.9\r\nConnection: close\r\n\r\n",
        b"GET /runs HTTP/1.1\r\nHost: localhost\r\nHost: other\r\n\r\n",
        b"POST /runs HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n",
        b"POST /runs HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
        b"POST /runs HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"POST /runs HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: x\r\n\r\n",
        b"GET /" + b"a" * 200_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET /runs HTTP/1.1\r\nHost: localhost\r\nA: " + b"b" * 200_000 + b"\r\n\r\n",
        b"GET /runs HTTP/1.1\r\nHost: localhost\r\nA\x00B: c\r\n\r\n",
    ],
    ids=range(10),
)
def test_malformed_http_is_refused(server: NotebookServer, request_bytes: bytes) -> None:
    status = raw(server, request_bytes)[0]
    assert status == 0 or 400 <= status < 500


def test_results_that_json_cannot_carry_are_answered(server: NotebookServer) -> None:
    scraps = server.run("odd.ipynb")["scraps"]
    assert scraps == {"nan": None, "nul": "\0"}

    failed = server.run("odd_error.ipynb")
    assert (failed["reason"], server.get("/runs?limit=1")["runs"][0]["reason"]) == ("cell-error", "cell-error")


def test_the_server_goes_on_after_all_of_it(server: NotebookServer) -> None:
    assert server.run("double.ipynb", x=21)["scraps"] == {"y": 42}
    assert "Exception in ASGI application" not in server.log.read_text()


def raw(server: NotebookServer, request: bytes) -> tuple[int, bytes, bytes]:
    """The status, head and body of the answer to raw bytes; 0 if the server closed the connection without one."""
    answer = b""
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as client:
        try:
            client.sendall(request)
            while chunk := client.recv(65536):
                answer += chunk
        except ConnectionError:
            pass
    head, _, body = answer.partition(b"\r\n\r\n")
    return int(head.split(b" ")[1]) if head else 0, head, body
