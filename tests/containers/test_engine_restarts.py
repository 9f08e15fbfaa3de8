"""An engine that ends while packmill waits for its answer."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

from generator.containers import engine, local_images, networks, registry
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
