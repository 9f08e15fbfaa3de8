"""A proxy on loopback that opens TLS connections only to checked addresses, even after redirects and DNS changes.

Third-party programs (git, and HTTP libraries) use it as their proxy: it resolves and checks the host of every request
and connects to an address that was checked. CONNECT is the only supported method. An upstream proxy of this machine
gets the name, which it resolves again.
"""

from __future__ import annotations

import base64
import re
import select
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from socketserver import StreamRequestHandler, ThreadingTCPServer
from urllib.parse import unquote, urlsplit
from urllib.request import getproxies_environment, proxy_bypass_environment  # type: ignore[attr-defined]

from generator.network.addresses import PrivateAddressError, resolve_checked

_TIMEOUT = 30.0
_IDLE = 600.0
_LARGEST_LINE = 8192
_CONNECT = re.compile(rb"CONNECT (?:\[([0-9A-Fa-f:.]+)\]|([\w.-]+)):(\d{1,5}) HTTP/1\.[01]\r?\n")


class GuardedProxy(ThreadingTCPServer):
    """The proxy; ``refused`` has a message for every connection that it did not open."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, allowed: tuple[str, ...]) -> None:
        """Listen on a port of its own; ``allowed`` are networks and hosts that may be private."""
        super().__init__(("127.0.0.1", 0), _Handler)
        self.allowed = allowed
        self.refused: list[str] = []
        self._proxies = getproxies_environment()

    @property
    def url(self) -> str:
        """The URL that it listens at."""
        return f"http://127.0.0.1:{self.server_address[1]}"

    def open(self, host: str, port: int) -> socket.socket:
        """Connect to a checked address of the host, or through this machine's own proxy.

        Raises:
            OSError: the address is refused, or does not answer.
        """
        upstream = self._proxies.get("https", "")
        if upstream and not proxy_bypass_environment(f"{host}:{port}", self._proxies):
            return self._open_upstream(upstream, host, port)
        last = OSError(f"{host} has no address")
        for address in resolve_checked(host, self.allowed):
            try:
                return socket.create_connection((address, port), timeout=_TIMEOUT)
            except OSError as error:
                last = error
        raise last

    def _open_upstream(self, upstream: str, host: str, port: int) -> socket.socket:
        with suppress(socket.gaierror):  # the upstream proxy decides about names that only it can resolve
            resolve_checked(host, self.allowed)
        proxy = urlsplit(upstream if "://" in upstream else f"http://{upstream}")
        connection = socket.create_connection((proxy.hostname or "", proxy.port or 8080), timeout=_TIMEOUT)
        shown = f"[{host}]" if ":" in host else host
        head = f"CONNECT {shown}:{port} HTTP/1.1\r\nHost: {shown}:{port}\r\n"
        if proxy.username:
            login = f"{unquote(proxy.username)}:{unquote(proxy.password or '')}".encode()
            head += f"Proxy-Authorization: Basic {base64.b64encode(login).decode()}\r\n"
        connection.sendall(f"{head}\r\n".encode())
        answer = b""
        while not answer.endswith(b"\r\n\r\n"):
            byte = connection.recv(1)
            if not byte or len(answer) > _LARGEST_LINE:
                break
            answer += byte
        if not re.match(rb"HTTP/1\.[01] 200\b", answer):
            connection.close()
            raise OSError(f"the proxy of this machine does not connect to {host}")
        return connection


class _Handler(StreamRequestHandler):
    timeout = _TIMEOUT
    server: GuardedProxy

    def handle(self) -> None:
        request = _CONNECT.fullmatch(self.rfile.readline(_LARGEST_LINE))
        while self.rfile.readline(_LARGEST_LINE) not in (b"\r\n", b"\n", b""):
            pass
        if request is None:
            self.server.refused.append("a connection without TLS was requested")
            self.wfile.write(b"HTTP/1.1 405 Method Not Allowed\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            return
        host, port = (request[1] or request[2]).decode(), int(request[3])
        try:
            remote = self.server.open(host, port)
        except OSError as error:
            reason = "Forbidden"
            if isinstance(error, PrivateAddressError):
                reason = str(error)  # in the status line, it becomes part of the client's own message
                self.server.refused.append(reason)
            self.wfile.write(f"HTTP/1.1 403 {reason}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode())
            return
        with remote, suppress(OSError):  # either side may end the connection at any time
            self.wfile.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            _relay(self.connection, remote)


def _relay(one: socket.socket, other: socket.socket) -> None:
    """Copy what each side sends until one of them ends."""
    sides = {one.fileno(): (one, other), other.fileno(): (other, one)}
    waiting = select.poll()  # `select.select` takes no descriptor above 1023, and a service has a thousand connections
    for descriptor in sides:
        waiting.register(descriptor, select.POLLIN)
    while ready := waiting.poll(_IDLE * 1000):
        for descriptor, _ in ready:
            side, peer = sides[descriptor]
            data = side.recv(1 << 16)
            if not data:
                return
            peer.sendall(data)


@contextmanager
def guarded_proxy(allowed: tuple[str, ...] = ()) -> Iterator[GuardedProxy]:
    """Run the proxy in a thread of this process."""
    with GuardedProxy(allowed) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
