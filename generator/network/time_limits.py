"""Time limits for whole requests.

A timeout of ``requests`` applies to each wait for a byte. A server that sends a byte from time to time, or interim
responses (``100 Continue``) without end, can keep a request alive for days. After a time limit, the connections of a
session are shut down, so that what reads from them ends with an error.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any
from weakref import WeakSet

import requests
from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool


class EndableAdapter(HTTPAdapter):
    """An adapter of ``requests`` that can shut down its connections, also while they are in use.

    Connections through a SOCKS proxy are not among them.
    """

    def __init__(self) -> None:
        """Prepare an adapter without connections."""
        self._sockets: WeakSet[socket.socket] = WeakSet()
        self._guard = threading.Lock()
        self._has_ended = False
        super().__init__()

    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        """Note the sockets of connections without a proxy."""
        super().init_poolmanager(*args, **options)
        self.poolmanager.pool_classes_by_scheme = self._pools()

    def proxy_manager_for(self, proxy: str, **options: Any) -> Any:
        """Note the sockets of connections through a proxy."""
        manager = super().proxy_manager_for(proxy, **options)
        if not proxy.lower().startswith("socks"):
            manager.pool_classes_by_scheme = self._pools()
        return manager

    def begin(self) -> None:
        """Allow connections again."""
        with self._guard:
            self._has_ended = False

    def end(self) -> None:
        """Shut down all connections, and those that are opened from now on."""
        with self._guard:
            self._has_ended = True
            for one in tuple(self._sockets):
                _shut_down(one)

    def _note(self, opened: socket.socket) -> None:
        with self._guard:
            self._sockets.add(opened)
            if self._has_ended:
                _shut_down(opened)

    def _pools(self) -> dict[str, Any]:
        return {"http": _noting(HTTPConnectionPool, self._note), "https": _noting(HTTPSConnectionPool, self._note)}


def _noting(pool: Any, note: Callable[[socket.socket], None]) -> Any:
    """Return a class of connection pools that passes each socket to ``note``, before and after its TLS handshake."""

    class Connection(pool.ConnectionCls):  # type: ignore[misc]
        def _new_conn(self) -> Any:
            opened = super()._new_conn()
            note(opened)
            return opened

        def connect(self) -> None:
            super().connect()
            note(self.sock)

    return type(pool.__name__, (pool,), {"ConnectionCls": Connection})


def _shut_down(opened: socket.socket) -> None:
    """End a connection for both sides, without the state of TLS, which another thread uses."""
    with suppress(OSError):
        socket.socket.shutdown(opened, socket.SHUT_RDWR)


def make_endable(session: requests.Session) -> None:
    """Let `time_limit` end the connections of a session."""
    adapter = EndableAdapter()
    session.mount("https://", adapter)
    session.mount("http://", adapter)


@contextmanager
def time_limit(session: requests.Session, seconds: float) -> Iterator[None]:
    """Allow the requests of a block this many seconds altogether; see `make_endable`.

    Raises:
        requests.ReadTimeout: they took longer.
    """
    adapter = session.get_adapter("https://")
    if not isinstance(adapter, EndableAdapter):
        raise TypeError("the session's connections cannot be ended; call make_endable first")
    adapter.begin()
    has_passed = threading.Event()

    def end() -> None:
        has_passed.set()
        adapter.end()

    timer = threading.Timer(seconds, end)
    timer.daemon = True
    timer.start()
    try:
        yield
    except (requests.RequestException, OSError):
        if not has_passed.is_set():
            raise
    finally:
        timer.cancel()
    if has_passed.is_set():  # also without an error: a head, or a body without a length, ends with its connection
        raise requests.ReadTimeout(f"no complete response within {seconds:.0f} s")
