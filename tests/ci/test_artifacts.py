"""The stage ``run`` gets the package of an earlier job, and of several processes the one that is asked for."""

from __future__ import annotations

import io
import json
import threading
import zipfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import NoReturn

import pytest
import requests
from staging_servers import HttpServer, http_server

from generator.ci import artifacts
from generator.ci.artifacts import fetch_package, fetch_table
from generator.shared.errors import UsageError

Fetch = Callable[..., Path]
_TABLE = "/projects/1/packages/generic/a/1/b.csv"


@pytest.fixture
def fetch(tmp_path: Path) -> Iterator[Fetch]:
    """Fetches from a server whose job 7 has the packages of processes, by their folder."""
    with ExitStack() as stack:

        def get(packages: dict[str, str], **variables: str) -> Path:
            archive = _archive(packages)

            class Artifacts(BaseHTTPRequestHandler):
                def do_GET(self) -> None:
                    self.send_response(200)
                    self.send_header("Content-Length", str(len(archive)))
                    self.end_headers()
                    self.wfile.write(archive)

                def log_message(self, *words: object) -> None:
                    pass

            server = stack.enter_context(ThreadingHTTPServer(("127.0.0.1", 0), Artifacts))
            threading.Thread(target=server.serve_forever).start()
            stack.callback(server.shutdown)
            api = f"http://127.0.0.1:{server.server_port}"
            job = {"CI_API_V4_URL": api, "CI_PROJECT_ID": "1", "CI_JOB_TOKEN": "x", "package": "7"}
            return fetch_package({**job, **variables}, tmp_path).relative_to(tmp_path / "packages")

        yield get


def _archive(packages: dict[str, str]) -> bytes:
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w") as packed:
        for folder, process in packages.items():
            packed.writestr(
                f"packages/{folder}/package.json", json.dumps({"documents": [], "process": {"path": process}})
            )
    return written.getvalue()


_SEVERAL = {"ada/trees/main": "process.ipynb", "ada/trees/main/b-a": "b/a.ipynb", "ada/trees/main/c": "c.sh"}


@pytest.mark.parametrize("folder", ["ada/trees/main", "ada/trees/main/a"])
def test_the_only_package_needs_no_name(folder: str, fetch: Fetch) -> None:
    assert str(fetch({folder: "a.ipynb"})) == folder


@pytest.mark.parametrize(
    ("name", "folder"),
    [
        ("process.ipynb", "ada/trees/main"),
        ("b/a.ipynb", "ada/trees/main/b-a"),
        ("b-a", "ada/trees/main/b-a"),
        (" c.sh ", "ada/trees/main/c"),
    ],
)
def test_one_of_several_is_chosen_by_its_process_or_its_folder(name: str, folder: str, fetch: Fetch) -> None:
    assert str(fetch(_SEVERAL, package_process=name)) == folder


@pytest.mark.parametrize("name", ["", "process.ipynb", "0_data"])
def test_a_package_among_example_values_is_not_chosen(name: str, fetch: Fetch) -> None:
    carried = {"ada/trees/main/example/0_data": "process.ipynb", "ada/trees/main/example/1_data/x": "a.ipynb"}

    if name == "0_data":
        with pytest.raises(UsageError, match=r"one of: process\.ipynb, a\.ipynb$"):
            fetch({**carried, "ada/trees/main": "process.ipynb", "ada/trees/main/a": "a.ipynb"}, package_process=name)
    else:
        assert str(fetch({**carried, "ada/trees/main": "process.ipynb"}, package_process=name)) == "ada/trees/main"


@pytest.mark.parametrize("name", ["", "a.ipynb", "trees"])
def test_the_processes_of_several_packages_are_listed(name: str, fetch: Fetch) -> None:
    with pytest.raises(UsageError, match=r"'package_process' to one of: process\.ipynb, b/a\.ipynb, c\.sh"):
        fetch(_SEVERAL, package_process=name)


@pytest.mark.parametrize("damage", ["a name that no file can have", "a damaged file"])
def test_an_archive_that_cannot_be_unpacked_is_named(
    damage: str, fetch: Fetch, monkeypatch: pytest.MonkeyPatch
) -> None:
    def damaged(_: object) -> bytes:
        written = io.BytesIO()
        with zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED) as packed:
            packed.writestr("x" * 300 if "name" in damage else "a", "b" * 9000)
        content = bytearray(written.getvalue())
        if "name" not in damage:
            content[31] ^= 0xFF
        return bytes(content)

    monkeypatch.setitem(globals(), "_archive", damaged)
    with pytest.raises(UsageError, match="the artifacts of job 7 cannot be read"):
        fetch({})


def test_a_full_disk_does_not_count_as_a_damaged_archive(fetch: Fetch, tmp_path: Path) -> None:
    (tmp_path / "packages" / "trees").mkdir(parents=True)
    (tmp_path / "packages" / "trees" / "package.json").symlink_to("/dev/full")

    with pytest.raises(OSError, match="No space left on device"):
        fetch({"trees": "process.ipynb"})


def test_a_job_without_a_package_is_named(fetch: Fetch) -> None:
    with pytest.raises(UsageError, match="job 7 has no package"):
        fetch({})


@pytest.mark.parametrize("place", ["http://[", f"http://{'a' * 64}.example.org/artifacts.zip"])
def test_a_redirect_to_something_that_is_no_address_is_an_error(place: str, tmp_path: Path) -> None:
    class Redirect(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(302)
            self.send_header("Location", place)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *words: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Redirect) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        job = {"CI_API_V4_URL": f"http://127.0.0.1:{server.server_port}", "CI_PROJECT_ID": "1", "CI_JOB_TOKEN": "x"}
        with pytest.raises(UsageError, match="cannot be fetched"):
            fetch_package({**job, "package": "7"}, tmp_path)
        server.shutdown()


class TestAServiceThatRestarts:
    """Jobs go on meanwhile, and fetch what they need when the service is back."""

    @pytest.fixture
    def server(self, monkeypatch: pytest.MonkeyPatch) -> Iterator[HttpServer]:
        monkeypatch.setattr(artifacts, "_FIRST_PAUSE", 0.01)
        with http_server() as running:
            yield running

    @staticmethod
    def _fetch(server: HttpServer, folder: Path) -> str:
        job = {"CI_API_V4_URL": server.url, "CI_PROJECT_ID": "1", "CI_JOB_TOKEN": "x", "table": "a/1/b.csv"}
        return fetch_table(job, folder).read_text()

    def test_is_asked_again(self, server: HttpServer, tmp_path: Path) -> None:
        server.put(_TABLE, b"row\n1\n", statuses=[503, 500, 429], cut=[2])

        assert self._fetch(server, tmp_path) == "row\n1\n"
        assert [one.status for one in server.asked] == [503, 500, 429, 200, 200]

    def test_is_asked_again_if_it_refuses_connections(
        self, server: HttpServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        server.put(_TABLE, b"row\n1\n")
        get, failures = requests.get, [requests.ConnectionError("connection refused")] * 3
        monkeypatch.setattr(
            requests, "get", lambda *one, **two: _raise(failures.pop()) if failures else get(*one, **two)
        )

        assert self._fetch(server, tmp_path) == "row\n1\n"

    def test_is_named_as_unavailable_if_that_lasts(
        self, server: HttpServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(artifacts, "_PATIENCE", 0.02)
        server.put(_TABLE, b"", statuses=[503] * 99)

        with pytest.raises(UsageError, match="cannot be fetched: the service is unavailable: 503") as refused:
            self._fetch(server, tmp_path)
        assert "exist" not in str(refused.value)

    @pytest.mark.parametrize(("status", "reason"), [(404, "does not exist, or has expired"), (403, "refuses the file")])
    def test_is_not_asked_again_if_it_refuses_the_file(
        self, status: int, reason: str, server: HttpServer, tmp_path: Path
    ) -> None:
        server.put(_TABLE, b"", statuses=[status] * 99)

        with pytest.raises(UsageError, match=reason):
            self._fetch(server, tmp_path)
        assert len(server.asked) == 1


def _raise(error: Exception) -> NoReturn:
    raise error
