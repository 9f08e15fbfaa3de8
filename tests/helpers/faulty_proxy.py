"""A proxy in front of a real server that fails as servers and networks do."""

from __future__ import annotations

import http.client
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

_OF_A_CONNECTION = {"connection", "keep-alive", "transfer-encoding", "content-length"}


@dataclass(frozen=True, kw_only=True)
class Fault:
    """What happens to the next request with this method and this part of its path; without a status, its end."""

    path: str = ""
    method: str = ""
    status: int = 0
    """The answer of the proxy itself."""
    retry_after: str = ""
    closed: bool = False
    """The connection ends before the server sees the request."""
    lost: bool = False
    """The server does what it is asked for, and its answer is lost."""
    half: bool = False
    """The connection ends in the middle of the answer."""
    silent: bool = False
    """Nobody answers, as long as the proxy runs."""

    def concerns(self, method: str, path: str) -> bool:
        return self.path in path and self.method in ("", method)


class FaultyProxy(ThreadingHTTPServer):
    """The proxy: ``faults`` that are still to come, and the requests that were ``asked``."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, upstream: str, context: ssl.SSLContext | None) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.upstream, self.scheme = urlsplit(upstream), "https" if context else "http"
        self.faults: list[Fault] = []
        self.asked: list[tuple[str, str]] = []
        self.stopped = threading.Event()
        self._guard = threading.Lock()
        if context:
            self.socket = context.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)

    @property
    def place(self) -> str:
        """Host and port."""
        return f"localhost:{self.server_address[1]}"

    @property
    def url(self) -> str:
        return f"{self.scheme}://{self.place}"

    def next_fault(self, method: str, path: str) -> Fault | None:
        with self._guard:
            self.asked.append((method, path))
            found = next((fault for fault in self.faults if fault.concerns(method, path)), None)
            if found:
                self.faults.remove(found)
            return found

    def handle_error(self, *_: object) -> None:
        """A client that goes away is no failure."""


class _Handler(BaseHTTPRequestHandler):
    server: FaultyProxy
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        body = self._body()
        fault = self.server.next_fault(self.command, self.path)
        if fault is None:
            return self._answer(*self._forward(body))
        if fault.silent:
            self.server.stopped.wait()
        if fault.status:
            headers = [("Retry-After", fault.retry_after)] if fault.retry_after else []
            return self._answer(fault.status, headers, b"not now\n")
        if fault.half:
            return self._answer(*self._forward(body), half=True)
        if fault.lost:
            self._forward(body)
        return self._end()

    do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_GET  # noqa: N815 - names of http.server

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        body = b""
        while size := int(self.rfile.readline().split(b";")[0], 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body

    def _forward(self, body: bytes) -> tuple[int, list[tuple[str, str]], bytes]:
        upstream = self.server.upstream
        if upstream.scheme == "https":
            context = ssl._create_unverified_context()
            connection = http.client.HTTPSConnection(upstream.netloc, context=context, timeout=60)
        else:
            connection = http.client.HTTPConnection(upstream.netloc, timeout=60)
        headers = {name: value for name, value in self.headers.items() if name.lower() not in _OF_A_CONNECTION}
        connection.request(self.command, self.path, body or None, headers)
        answer = connection.getresponse()
        content = answer.read()
        connection.close()
        kept = [(name, value) for name, value in answer.getheaders() if name.lower() not in _OF_A_CONNECTION]
        if self.command == "HEAD" and (length := answer.getheader("Content-Length")):
            kept.append(("Content-Length", length))
        return answer.status, kept, content

    def _answer(self, status: int, headers: list[tuple[str, str]], content: bytes, *, half: bool = False) -> None:
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        if self.command != "HEAD":
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(b"" if self.command == "HEAD" else content[: len(content) // 2] if half else content)
        if half:
            self._end()

    def _end(self) -> None:
        self.close_connection = True
        with suppress(OSError):
            self.wfile.flush()
            self.connection.shutdown(2)

    def log_message(self, *_: object) -> None:
        """Nothing."""


@contextmanager
def faulty_proxy(upstream: str, *, context: ssl.SSLContext | None = None) -> Iterator[FaultyProxy]:
    """Run the proxy in front of an address; with a context, by https."""
    proxy = FaultyProxy(upstream, context)
    thread = threading.Thread(target=proxy.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield proxy
    finally:
        proxy.stopped.set()
        proxy.shutdown()
        proxy.server_close()
        thread.join(timeout=60)
