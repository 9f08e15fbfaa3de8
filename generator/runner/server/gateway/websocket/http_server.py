"""The HTTP server: at a limit, the connection that has been idle for longest makes room for a new one."""

from __future__ import annotations

import logging
import socket
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from tornado.httpserver import HTTPServer
from tornado.ioloop import IOLoop
from tornado.iostream import IOStream

from generator.runner.server.operation.logs import log
from generator.shared.http_connections import backlog

_PAUSE = 1.0
"""Seconds without new connections if the process has no file descriptor left."""


class Connections:
    """The open connections of a server; ``others`` returns how many channels of kernels have."""

    def __init__(self, most: int, others: Callable[[], int]) -> None:
        self._most, self._others = most, others
        self._open: set[IOStream] = set()
        self._idle: dict[IOStream, None] = {}
        """Those whose client has to send or to read something, the longest idle first."""

    @property
    def are_too_many(self) -> bool:
        """Whether there are more than the limit, since none that is idle could make room."""
        return len(self._open) + self._others() > self._most

    def admit(self, stream: IOStream) -> None:
        """Add a new connection, for which an idle one makes room at the limit."""
        self._open.add(stream)
        if self.are_too_many:
            self.make_room()
        self.wait(stream)

    def wait(self, stream: IOStream) -> None:
        """Note that a request of a connection is awaited, or that it was answered."""
        if stream in self._open:
            self._idle.pop(stream, None)
            self._idle[stream] = None

    def serve(self, stream: IOStream) -> None:
        """Note that a request has arrived, which will be answered."""
        self._idle.pop(stream, None)

    def leave(self, stream: IOStream) -> None:
        """Forget a connection that has ended, or now belongs to a kernel's channels."""
        self._open.discard(stream)
        self._idle.pop(stream, None)

    def make_room(self) -> bool:
        """Close the connection that has been idle for longest; return False if none is idle."""
        longest = next(iter(self._idle), None)
        if longest is None:
            return False
        self.leave(longest)
        longest.close()
        return True


class Server(HTTPServer):
    """Tornado's server with a limit on connections, which file descriptors can limit further."""

    connections: Connections

    def add_sockets(self, sockets: Iterable[socket.socket]) -> None:
        """Accept connections."""
        for listener in sockets:
            self._sockets[listener.fileno()] = listener
            self._handlers[listener.fileno()] = partial(IOLoop.current().remove_handler, listener)
            self._resume(listener)

    def _resume(self, listener: socket.socket) -> None:
        if listener.fileno() >= 0:
            IOLoop.current().add_handler(listener, self._accept, IOLoop.READ)

    def _accept(self, listener: socket.socket, _: int) -> None:
        """Accept the connections that wait; Tornado would log the same error all the time without a descriptor."""
        for _ in range(backlog):
            try:
                connection, address = listener.accept()
            except (BlockingIOError, ConnectionAbortedError):
                return
            except OSError as error:
                if not self.connections.make_room():
                    log("no connections are accepted for a second", level=logging.WARNING, problem=error.strerror)
                    IOLoop.current().remove_handler(listener)
                    IOLoop.current().call_later(_PAUSE, self._resume, listener)
                return
            self._handle_connection(connection, address)

    def handle_stream(self, stream: IOStream, address: Any) -> None:
        """Begin to read the requests of a connection."""
        self.connections.admit(stream)
        super().handle_stream(stream, address)

    def on_close(self, server_conn: Any) -> None:
        """Note the end of a connection, or that it now belongs to a kernel's channels."""
        super().on_close(server_conn)
        self.connections.leave(server_conn.stream)
