"""An engine that ends while packmill waits for its answer, and what a killed one left."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
from waiting import wait_until

from generator.containers import engine, local_images, networks, registry, setup
from generator.shared.errors import EngineMissingError

_VERSION = b'{"ApiVersion": "1.44", "Version": "27.0", "Arch": "amd64"}'
_PART = b'11\r\n{"status": "Push'
"""A chunk of a push, which ends before its last byte."""


class _Engine(BaseHTTPRequestHandler):
    """Answers which version it is, and begins to answer a push."""

    protocol_version = "HTTP/1.1"
    answered = ("/_ping", "/version")

    def do_GET(self) -> None:
        if self.path.endswith(self.answered):
            self._answer(200, _VERSION)
        elif self.path.endswith("/pushed:1/json"):
            self._answer(200, b'{"Id": "sha256:a"}')
        self.close_connection = True

    def do_POST(self) -> None:
        if "/tag?" in self.path:
            self._answer(201, b"")
        elif "/push" in self.path:
            self.send_response(200)
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            self.wfile.write(_PART)
        self.close_connection = True

    def do_DELETE(self) -> None:
        self.close_connection = True

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(autouse=True)
def ending_engine(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Engine) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        monkeypatch.setenv("DOCKER_HOST", f"tcp://127.0.0.1:{server.server_port}")
        yield
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(
    "call",
    [
        lambda: registry.push("pushed:1", "127.0.0.1:9/ada/trees:1", login=None, on_line=print),
        lambda: registry.push("lost:1", "127.0.0.1:9/ada/trees:1", login=None, on_line=print),
        lambda: registry.pull("127.0.0.1:9/ada/trees:1", login=None),
        lambda: engine.inspect("lost:1"),
        lambda: engine.history("lost:1"),
        engine.storage_folder,
        lambda: engine.tag("lost:1", "ada/trees:1"),
        local_images.list_images,
        networks._find,
    ],
)
def test_an_engine_that_ends_meanwhile_is_an_error(call: Callable[[], object]) -> None:
    with pytest.raises(EngineMissingError, match="the container engine failed, or ended meanwhile"):
        call()


def test_an_engine_that_ends_when_it_is_looked_for_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_Engine, "answered", ("/version",))

    with pytest.raises(EngineMissingError, match="no container engine answers"):
        engine.storage_folder()


def test_a_name_that_such_an_engine_keeps_is_no_error() -> None:
    engine.untag("lost:1")


@pytest.mark.skipif(os.geteuid() != 0 or shutil.which("unshare") is None, reason="only root can make networks")
def test_networks_that_a_killed_engine_left_are_removed(tmp_path: Path) -> None:
    """Their addresses would answer in place of those of new containers."""
    left, default = tmp_path / "6e6bdc0e307b", tmp_path / "default"
    for file in (left, default):
        file.touch()
    subprocess.run(["unshare", f"--net={left}", "true"], check=True)
    assert str(left) in Path("/proc/mounts").read_text()

    setup._remove_stale_networks(tmp_path)
    setup._remove_stale_networks(tmp_path / "missing")

    assert str(left) not in Path("/proc/mounts").read_text()
    assert list(tmp_path.iterdir()) == [default]


def test_a_program_that_has_ended_does_not_run(tmp_path: Path) -> None:
    program = tmp_path / "of-this-test"
    program.symlink_to(shutil.which("sleep") or "")

    with subprocess.Popen([program, "60"]) as process:
        wait_until(lambda: setup._is_running("of-this-te"), message="its words are in /proc")
        process.kill()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)  # until it is read, it is in /proc
        assert not setup._is_running("of-this-te")
