"""Limits on connections: slow clients are disconnected, and at a limit the connection idle for longest is closed.

uvicorn limits neither the time that a request may take to arrive nor the number of connections of one address. So a
client without a token could block the service with requests that it never finishes.
"""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import resource
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

backlog = 128
"""Connections that asyncio accepts at once, before any of them is counted."""
_errors = logging.getLogger("uvicorn.error.packmill")
# uvicorn warns of every malformed request: clients without a token could fill the log. It resets levels when it starts.
_errors.addFilter(lambda record: record.levelno >= logging.ERROR)
_OTHER_FILES = 256 + backlog
"""File descriptors for everything but connections: the database, logs, archives, processes."""
_FILES_OF_A_CONNECTION = 3
"""File descriptors of a connection: its socket, and what its request reads, such as a log and the database."""
_STALLED = 120.0
"""Seconds after which a client that stops reading its response is disconnected."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ConnectionLimits:
    """The most connections in all and for one address (None: any), and the seconds for a request's head or body.

    ``slowest_body`` is the rate in bytes a second at which a larger body gets more time (None: it gets none).
    """

    total: int
    per_address: int | None
    request: float
    slowest_body: float | None = None


def within_open_files(limits: ConnectionLimits, *, each: int = _FILES_OF_A_CONNECTION) -> tuple[int, int]:
    """Raise this process's limit on open files if needed; return the connections that it allows, and the limit.

    A connection has ``each`` file descriptors.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = limits.total * each + _OTHER_FILES
    most = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
        soft = most
    if soft == resource.RLIM_INFINITY:
        return limits.total, needed
    return min(limits.total, max(16, (soft - _OTHER_FILES) // each)), soft


class Gate:
    """The open connections of a service; at a limit, an idle connection is closed for a new one."""

    def __init__(self, limits: ConnectionLimits) -> None:
        self.limits = limits
        self._open: dict[str, set[GuardedProtocol]] = {}

    def __len__(self) -> int:
        return sum(map(len, self._open.values()))

    def admit(self, connection: GuardedProtocol) -> bool:
        """Admit a new connection; return False at a limit where every other connection is being served."""
        mine = self._open.get(connection.address, set())
        most = self.limits.per_address
        if most is not None and len(mine) >= most and not self._make_room([mine]):
            return False
        if len(self) >= self.limits.total and not self._make_room(sorted(self._open.values(), key=len, reverse=True)):
            return False
        self._open.setdefault(connection.address, set()).add(connection)
        return True

    def leave(self, connection: GuardedProtocol) -> None:
        """Forget a connection."""
        mine = self._open.get(connection.address, set())
        mine.discard(connection)
        if not mine:
            self._open.pop(connection.address, None)

    def _make_room(self, groups: Iterable[set[GuardedProtocol]]) -> bool:
        """Close the connection idle for longest, of the first group with an idle one."""
        for group in groups:
            waiting = [one for one in group if one.is_waiting]
            if waiting:
                oldest = min(waiting, key=lambda one: one.since)
                oldest.end(b"503 Service Unavailable")
                self.leave(oldest)
                return True
        return False


class GuardedProtocol(H11Protocol):
    """uvicorn's HTTP/1.1 with deadlines: for a request's head, for its body, and for a client that stops reading."""

    def __init__(self, *arguments: Any, gate: Gate, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.logger = _errors
        self._gate = gate
        self._awaited: tuple[str, object] | None = None
        self._awaited_since, self._received = 0.0, 0
        self._deadline: asyncio.TimerHandle | None = None
        self._stalled: asyncio.TimerHandle | None = None
        self.address, self.since = "", 0.0

    @property
    def is_waiting(self) -> bool:
        """Whether the service waits for the client to send something."""
        answering = self.cycle is not None and not self.cycle.response_complete
        return not answering or self.conn.their_state is h11.SEND_BODY

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Admit the connection and expect a request's head."""
        super().connection_made(transport)
        self.address, self.since = address_group(self.client[0] if self.client else ""), self.loop.time()
        if self._gate.admit(self):
            self._expect(("head", self.cycle))
        else:
            self.end(b"503 Service Unavailable")

    def data_received(self, data: bytes) -> None:
        """Process received data; a deadline holds until the head or the body is complete, however often data comes."""
        self._received += len(data)
        super().data_received(data)
        self._expect(self._missing_part(begun=True))

    def on_response_complete(self) -> None:
        """Start to wait for the next request."""
        super().on_response_complete()
        self.since = self.loop.time()
        self._expect(self._missing_part(begun=bool(self.conn.trailing_data[0])))

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self._expect(None)
        self._cancel_stalled()
        self._gate.leave(self)
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """Disconnect a client that stops reading for too long."""
        super().pause_writing()
        self._cancel_stalled()
        self._stalled = self.loop.call_later(_STALLED, self.transport.abort)

    def resume_writing(self) -> None:
        """Continue: the client reads again."""
        self._cancel_stalled()
        super().resume_writing()

    def end(self, status: bytes) -> None:
        """Close the connection, with a status unless a response has started."""
        if self.transport.is_closing():
            return
        if self.cycle is None or self.cycle.response_complete or not self.cycle.response_started:
            self.transport.write(b"HTTP/1.1 " + status + b"\r\nconnection: close\r\ncontent-length: 0\r\n\r\n")
        if self.transport.get_write_buffer_size():
            self.transport.abort()  # a client that does not read keeps nothing open
        else:
            self.transport.close()

    def _missing_part(self, *, begun: bool) -> tuple[str, object] | None:
        """Return the part of a request that is still missing, and an object that identifies the request."""
        if self.conn.their_state is h11.SEND_BODY:
            return "body", self.cycle
        return ("head", self.cycle) if self.conn.their_state is h11.IDLE and begun else None

    def _expect(self, part: tuple[str, object] | None) -> None:
        if part == self._awaited:
            return
        self._awaited = part
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
        if part is not None:
            self._awaited_since, self._received = self.loop.time(), 0
            self._deadline = self.loop.call_later(self._gate.limits.request, self._note_deadline)

    def _note_deadline(self) -> None:
        """Disconnect a client whose request has not arrived, unless it is a body that arrives fast enough."""
        limits = self._gate.limits
        if self._awaited and self._awaited[0] == "body" and limits.slowest_body:
            end = self._awaited_since + limits.request + self._received / limits.slowest_body
            if self.loop.time() < end:
                self._deadline = self.loop.call_at(end, self._note_deadline)
                return
        self.end(b"408 Request Timeout")

    def _cancel_stalled(self) -> None:
        if self._stalled is not None:
            self._stalled.cancel()
            self._stalled = None


def address_group(host: str) -> str:
    """Return the addresses that count as one client: an IPv4 address, or the /64 of an IPv6 address."""
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return host
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return str(address.ipv4_mapped)
        return str(ipaddress.ip_network((address, 64), strict=False))
    return str(address)
