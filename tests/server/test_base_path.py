"""The server on a Unix socket and below a path, as a proxy such as JupyterHub's offers it."""

from __future__ import annotations

import json
import re
import signal
import socket
import stat
import subprocess
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
from notebook_server import NotebookServer, serve_command, write_notebooks
from waiting import wait_until

from generator.runner.server.operation.base_path import read_base_url
from generator.shared.failures import BadInputsError

BASE = "/services/packmill/user/d%20e"
HTML = {"Accept": "text/html"}
_ADDRESS = re.compile(r'(?:href|src|action|formaction|data-document|data-reader)="([^"]*)"')
_ACTIONS = ("/dismiss", "/pause", "/delete", "/schedule", ".zip")


@pytest.fixture(scope="module")
def behind(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NotebookServer]:
    folder = tmp_path_factory.mktemp("behind")
    write_notebooks(folder / "root")
    options = ("--workers", "1", "--socket", str(folder / "socket"), "--base-url", f"{BASE}/")
    running = NotebookServer(folder / "root", folder / "data", *options).start()
    running.run("deep/files.ipynb")
    running.ask("POST", "/schedules", json={"notebook": "double.ipynb", "cron": "@daily"})
    yield running
    running.stop()


def addresses_in(value: Any) -> Iterator[str]:
    """The addresses in a JSON document: what `links`, `href` and `location` have."""
    if isinstance(value, list):
        for one in value:
            yield from addresses_in(one)
    elif isinstance(value, dict):
        for name, one in value.items():
            if name == "links" and isinstance(one, dict):
                yield from filter(lambda link: isinstance(link, str), one.values())  # others are OpenAPI's
            elif name in ("href", "location") and isinstance(one, str):
                yield one
            else:
                yield from addresses_in(one)


def path_of(address: str) -> str:
    parts = urlsplit(address)
    return parts.path + (f"?{parts.query}" if parts.query else "")


@pytest.mark.parametrize("prefix", [BASE, "", "/services/packmill/user/d%20%65"], ids=["kept", "removed", "encoded"])
def test_a_proxy_may_keep_the_path_or_remove_it(behind: NotebookServer, prefix: str) -> None:
    started = behind.ask("POST", f"{prefix}/runs?wait=60", json={"notebook": "double.ipynb", "parameters": {"x": 4}})

    assert started.status_code == 200, started.text
    assert started.json()["scraps"] == {"y": 8}
    assert started.headers["Location"].startswith(f"{BASE}/runs/")
    assert behind.ask("GET", started.headers["Location"]).json()["state"] == "succeeded"
    assert behind.ask("GET", f"{prefix}/", headers=HTML).status_code == 200
    assert behind.ask("PUT", f"{prefix}/runs").headers["Allow"] == "POST, GET"


def test_the_path_without_a_slash_leads_to_the_first_page(behind: NotebookServer) -> None:
    answer = behind.ask("GET", BASE, headers={**HTML, "Host": "hub.example.org"})

    assert answer.status_code == 307
    assert answer.headers["Location"] == f"http://hub.example.org{BASE}/"


def test_every_address_in_json_is_below_the_path(behind: NotebookServer) -> None:
    waiting = [f"{BASE}{path}" for path in ("/notebooks", "/runs", "/schedules", "/ogc/")]
    seen: set[str] = set()
    while waiting:
        address = waiting.pop()
        if address in seen or address.endswith(("/events", "/openapi.json", "/ogc/api")):
            continue
        seen.add(address)
        answer = behind.ask("GET", address)
        assert answer.status_code == 200, address
        if "json" in answer.headers["Content-Type"] and "ipynb" not in answer.headers["Content-Type"]:
            found = [one for one in addresses_in(answer.json()) if "opengis.net" not in one]
            assert all(path_of(one).startswith(f"{BASE}/") for one in found), (address, found)
            waiting += [path_of(one) for one in found if "/execution" not in one and not one.endswith("/runs")]

    assert any("/outputs/a.txt" in one for one in seen)
    assert any("/ogc/processes/" in one for one in seen)


def test_every_address_in_pages_is_below_the_path(behind: NotebookServer) -> None:
    waiting, seen = [f"{BASE}/"], set[str]()
    while waiting:
        address = waiting.pop()
        kind = re.sub("[0-9a-f]{16,32}", "ID", address)
        if kind in seen or re.search(r"/(notebook|outputs)\b", address):
            continue
        seen.add(kind)
        answer = behind.ask("GET", address, headers=HTML)
        assert answer.status_code < 400, address
        if answer.headers["Content-Type"].startswith("text/html"):
            found = [unescape(one) for one in _ADDRESS.findall(answer.text) if not one.startswith(("#", "data:"))]
            assert all(one.startswith(f"{BASE}/") for one in found), (address, found)
            waiting += [
                one for one in found if not one.endswith(("/dismiss", "/pause", "/delete", "/schedule", ".zip"))
            ]

    assert any("/static/swagger-ui" in one for one in seen)
    assert any(one.endswith("/again") for one in seen)


def test_openapi_documents_name_the_address_of_the_proxy(behind: NotebookServer) -> None:
    headers = {"Host": "hub.example.org", "X-Forwarded-Proto": "https"}
    for path in ("/openapi.json", "/notebooks/double.ipynb/openapi.json", "/ogc/api"):
        document = behind.ask("GET", f"{BASE}{path}", headers=headers).json()

        assert document["servers"][0]["url"].removesuffix("/ogc") == f"https://hub.example.org{BASE}"


@pytest.mark.parametrize("host", [b"", b"Host: a b<>\r\n", b"Host: [::\r\n", b"Host: \xff\r\n"])
def test_a_request_without_a_valid_host_gets_paths(behind: NotebookServer, host: bytes) -> None:
    for path in (b"/openapi.json", b"/ogc/", b"/notebooks/double.ipynb/openapi.json"):
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(60)
            client.connect(str(behind.data.parent / "socket"))
            client.sendall(b"GET " + path + b" HTTP/1.0\r\nConnection: close\r\n" + host + b"\r\n")
            answer = b"".join(iter(lambda: client.recv(1 << 16), b""))

        assert answer.startswith(b"HTTP/1.1 200"), answer[:300]
        assert b"http:///" not in answer
        assert f'"{BASE}'.encode() in answer


def test_forms_lead_to_addresses_below_the_path(behind: NotebookServer) -> None:
    started = behind.ask("POST", f"{BASE}/notebooks/double.ipynb", headers=HTML, data={"x": "3"})
    made = behind.ask("POST", "/schedules", json={"notebook": "double.ipynb", "cron": "@daily"})
    paused = behind.ask("POST", f"{made.headers['Location']}/pause", headers=HTML)

    assert started.status_code == paused.status_code == 303
    assert started.headers["Location"].startswith(f"{BASE}/runs/")
    assert paused.headers["Location"] == f"{BASE}/schedules"


def test_papermill_api_has_its_addresses_below_the_path(behind: NotebookServer) -> None:
    answer = behind.ask("GET", f"{BASE}/run/fails.ipynb")

    assert answer.status_code == 422
    assert answer.headers["Link"].startswith(f"<{BASE}/runs/")
    assert behind.ask("GET", answer.json()["run"]).json()["state"] == "failed"


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_sessions_are_cookies_of_the_path(tmp_path: Path, scheme: str) -> None:
    write_notebooks(tmp_path / "root")
    options = ("--workers", "1", "--base-url", BASE, "--trusted-proxy", "127.0.0.1")
    token = "0123456789abcdefghij"
    server = NotebookServer(tmp_path / "root", tmp_path / "data", *options, PACKMILL_SERVE_TOKENS=f"a:admin:{token}")
    try:
        proxy = {**HTML, "X-Forwarded-Proto": scheme}
        refused = server.start().ask("GET", f"{BASE}/runs?state=failed", headers=proxy)
        signed_in = server.ask("POST", f"{BASE}/sign-in", headers=proxy, data={"token": token})
        cookie = signed_in.headers["Set-Cookie"]
        runs = server.ask("GET", f"{BASE}/runs", headers={**proxy, "Cookie": cookie.partition(";")[0]})
    finally:
        server.stop()

    assert refused.headers["Location"].startswith(f"{BASE}/sign-in?next=%2Fservices")
    assert signed_in.headers["Location"] == f"{BASE}/"
    assert f"path={BASE}/;" in cookie.replace("Path=", "path=")
    assert cookie.startswith("__Secure-" if scheme == "https" else "packmill_runner_session")
    assert runs.status_code == 200


def test_curl_reaches_the_socket_which_only_its_owner_can_open(behind: NotebookServer) -> None:
    file = behind.data.parent / "socket"
    answer = subprocess.run(
        ["curl", "-sS", "--unix-socket", file, f"http://any.name{BASE}/health"], capture_output=True, check=True
    )

    assert json.loads(answer.stdout)["status"] == "ok"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_a_socket_of_a_killed_server_is_replaced_and_removed_at_the_end(tmp_path: Path) -> None:
    write_notebooks(tmp_path / "root")
    file = tmp_path / "socket"
    server = NotebookServer(tmp_path / "root", tmp_path / "data", "--workers", "1", "--socket", str(file)).start()
    second = serve_command(tmp_path / "root", tmp_path / "other", "--socket", str(file))
    server.stop(signal.SIGKILL)
    left = file.is_socket()
    server.start()
    wait_until(lambda: server.ask("GET", "/health").status_code == 200, message="a worker is alive")

    assert second.returncode == 2
    assert f"--socket {file}: a server uses it; choose another file" in second.stderr
    assert left
    assert server.stop() == 0
    assert not file.exists()


@pytest.mark.parametrize("name", ["file", "folder/missing/socket", "x" * 120, "folder"])
def test_a_socket_that_cannot_be_made_is_refused(tmp_path: Path, name: str) -> None:
    write_notebooks(tmp_path / "root")
    (tmp_path / "file").write_text("kept")
    (tmp_path / "folder").mkdir()

    refused = serve_command(tmp_path / "root", tmp_path / "data", "--socket", str(tmp_path / name))

    assert refused.returncode == 2
    assert f"{name}: " in refused.stderr
    assert (tmp_path / "file").read_text() == "kept"


def test_a_descriptor_of_no_socket_is_refused(tmp_path: Path) -> None:
    write_notebooks(tmp_path / "root")

    refused = serve_command(tmp_path / "root", tmp_path / "data", "--socket", "fd:99")

    assert refused.returncode == 2
    assert "--socket fd:99: Bad file descriptor; give the number of a listening socket" in refused.stderr


def test_a_server_does_not_remove_the_socket_of_its_successor(tmp_path: Path) -> None:
    write_notebooks(tmp_path / "root")
    file = tmp_path / "socket"
    server = NotebookServer(tmp_path / "root", tmp_path / "data", "--workers", "1", "--socket", str(file)).start()
    file.unlink()
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(file))
        server.stop()

        assert file.is_socket()


@pytest.mark.parametrize(
    ("text", "path"),
    [("/", ""), ("", ""), ("/a", "/a"), ("/a/b/", "/a/b"), ("/d e/é", "/d%20e/%C3%A9"), ("/d%20e/@x+y", "/d%20e/@x+y")],
)
def test_base_urls_are_read(text: str, path: str) -> None:
    assert read_base_url(text) == path


@pytest.mark.parametrize(
    "text", ["a", "//a", "/a//b", "/../a", "/%2e%2e/a", "/a?b", "/a#b", "/%zz", "/a\nb", "http://a"]
)
def test_base_urls_that_are_no_paths_are_refused(text: str) -> None:
    with pytest.raises(BadInputsError, match="not the path of an address"):
        read_base_url(text)


def test_another_host_name_is_refused_on_a_port_only(behind: NotebookServer, server: NotebookServer) -> None:
    headers = {"Host": "rebound.example.org"}

    assert behind.ask("GET", "/runs", headers=headers).status_code == 200
    assert server.ask("GET", "/runs", headers=headers).status_code == 421
    assert requests.get(f"{server.url}{BASE}/runs", timeout=60).status_code == 404
