"""Files that clients name by address: fetched before the run, from public hosts and those that the operator allows."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from notebook_server import NotebookServer
from staging_servers import HttpServer, http_server
from support import write_notebook
from waiting import has_ended, wait_until

_GLUE = "from packmill import glue\n"


def _write(root: Path) -> None:
    write_notebook(
        root / "read.ipynb",
        "data = 'in.txt'  # type: stage-in",
        f"{_GLUE}glue('text', open(data).read())\nglue('path', data)",
    )
    write_notebook(
        root / "list.ipynb",
        "files = ['a.txt']  # type: stage-in\nany = None",
        f"{_GLUE}glue('texts', [open(one).read() for one in files])",
    )
    (root / "in.txt").write_text("own")


@pytest.fixture(scope="module")
def files() -> Iterator[HttpServer]:
    with http_server() as server:
        for name in "ab":
            server.put(f"/{name}.txt", name.encode())
        server.put("/large.bin", b"x" * 3_000_000)
        server.put("/silent.bin", b"x", stalls=[60.0] * 9)
        server.put("/away.txt", redirect="http://127.0.0.2:9/x")
        yield server


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NotebookServer]:
    folder = tmp_path_factory.mktemp("served")
    _write(folder / "root")
    options = ("--workers", "1", "--fetch", "public", "--fetch-allow", "127.0.0.1", "--max-upload", "1M")
    running = NotebookServer(folder / "root", folder / "data", *options).start()
    yield running
    running.stop()


def file(address: str) -> dict[str, str]:
    return {"class": "File", "location": address}


def test_a_file_is_fetched_before_the_run(server: NotebookServer, files: HttpServer) -> None:
    result = server.run("read.ipynb", data=file(files.url + "/a.txt"))

    assert result["scraps"]["text"] == "a"
    assert result["scraps"]["path"].endswith("/0_a.txt")
    assert not os.path.exists(result["scraps"]["path"])


def test_lists_and_linked_inputs_are_fetched_in_order(server: NotebookServer, files: HttpServer) -> None:
    links = [{"href": files.url + path, "type": "text/plain"} for path in ("/b.txt", "/a.txt")]
    body = {"inputs": {"files": links, "any": {"href": "http://not.fetched/"}}, "outputs": {"scraps": {}}}
    refused = server.ask("POST", "/ogc/processes/list/execution", json=body)
    del body["inputs"]["any"]
    answer = server.ask("POST", "/ogc/processes/list/execution", json=body)

    assert refused.status_code == 400
    assert answer.json() == {"texts": ["b", "a"]}


@pytest.mark.parametrize(
    ("path", "reason", "what"),
    [
        ("/missing.txt", "staging-failed", "404"),
        ("/large.bin", "staging-failed", "larger than this server takes"),
        ("/away.txt", "staging-failed", "private address"),
    ],
)
def test_what_cannot_be_fetched_fails_the_run(
    server: NotebookServer, files: HttpServer, path: str, reason: str, what: str
) -> None:
    result = server.run("read.ipynb", data=file(files.url + path))

    assert (result["run"]["state"], result["run"]["reason"]) == ("failed", reason)
    assert what in result["run"]["error"]
    assert server.run("read.ipynb")["scraps"]["text"] == "own"


def test_other_private_hosts_are_not_reached(server: NotebookServer) -> None:
    error = server.run("read.ipynb", data=file("http://127.0.0.2:9/x"))["run"]["error"]

    assert "127.0.0.2 is a private address" in error


def test_a_run_is_dismissed_while_it_fetches(server: NotebookServer, files: HttpServer) -> None:
    run = server.begin("read.ipynb", data=file(files.url + "/silent.bin"))
    wait_until(lambda: any(one.path == "/silent.bin" for one in files.asked), message="the transfer begins")

    server.ask("DELETE", f"/runs/{run}")

    assert server.wait_for(run, seconds=20)["state"] == "dismissed"


def test_a_run_whose_worker_is_killed_while_it_fetches_is_repeated(server: NotebookServer, files: HttpServer) -> None:
    files.put("/slow.bin", b"slow", stalls=[60.0])
    run = server.begin("read.ipynb", data=file(files.url + "/slow.bin"))
    wait_until(lambda: any(one.path == "/slow.bin" for one in files.asked), message="the transfer begins")
    assert server.process is not None
    [worker] = _processes(server.process.pid, with_children=True)
    [transfer] = _processes(worker, named="stage-in")

    os.kill(worker, signal.SIGKILL)

    wait_until(lambda: has_ended(transfer), seconds=10, message="the transfer ends with its worker")
    assert server.wait_for(run)["state"] == "succeeded"


def _processes(parent: int, *, named: str = "", with_children: bool = False) -> list[int]:
    """The processes that a process started, those with a word in their command line, or that started others."""
    paths = Path(f"/proc/{parent}/task").glob("*/children")
    found = [int(word) for path in paths for word in path.read_text().split()]
    return [
        one
        for one in found
        if named in Path(f"/proc/{one}/cmdline").read_text() and (not with_children or _processes(one))
    ]


def test_credentials_of_the_server_are_not_sent(files: HttpServer, tmp_path: Path) -> None:
    _write(tmp_path / "root")
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login ada password secret\ndefault login ada password secret\n")
    (tmp_path / ".netrc").chmod(0o600)
    options = ("--workers", "1", "--fetch", "public", "--fetch-allow", "127.0.0.1")
    secrets = {"HOME": str(tmp_path), "EARTHDATA_TOKEN": "secret", "NETRC": str(tmp_path / ".netrc")}
    server = NotebookServer(tmp_path / "root", tmp_path / "data", *options, **secrets).start()
    try:
        server.run("read.ipynb", data=file(files.url + "/b.txt"))
    finally:
        server.stop()

    assert "authorization" not in next(one for one in reversed(files.asked) if one.path == "/b.txt").headers


def test_without_the_option_no_address_is_fetched(files: HttpServer, tmp_path: Path) -> None:
    _write(tmp_path / "root")
    server = NotebookServer(tmp_path / "root", tmp_path / "data", "--workers", "1").start()
    try:
        answer = server.ask(
            "POST", "/runs", json={"notebook": "read.ipynb", "parameters": {"data": file(files.url + "/a.txt")}}
        )
    finally:
        server.stop()

    assert answer.status_code == 400
    assert "this server fetches none" in answer.text
