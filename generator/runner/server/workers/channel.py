"""Messages between the server and a worker process: JSON objects over a socket pair that keeps their bounds."""

from __future__ import annotations

import json
import socket
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

_LARGEST = 1 << 16


def channel_pair() -> tuple[socket.socket, socket.socket]:
    """Return the server's end and the worker's end."""
    return socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)


def send(end: socket.socket, message: Mapping[str, Any]) -> None:
    """Send a message; it is dropped if the other side has ended, since the database has everything that matters."""
    with suppress(OSError):
        end.send(json.dumps(message).encode())


def receive(end: socket.socket) -> dict[str, Any] | None:
    """Return the next message; None after the other side ended.

    Raises:
        BlockingIOError: the socket does not block, and no message is there.
    """
    try:
        data = end.recv(_LARGEST)
    except ConnectionError:
        return None
    message: dict[str, Any] | None = json.loads(data) if data else None
    return message
