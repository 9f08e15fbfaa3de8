"""The socket to a process that runs handlers (`packmill_handlers`), for an event loop."""

from __future__ import annotations

import asyncio
import json
import socket
import struct
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any

_PART = 1 << 18


class TooLargeError(Exception):
    """A message is larger than allowed."""


class Channel:
    """JSON objects, each after its length (4 bytes, big endian)."""

    def __init__(self, connection: socket.socket, largest: int) -> None:
        connection.settimeout(0)
        self._socket = connection
        self._largest = largest
        self._buffer = bytearray()
        self._loop = asyncio.get_running_loop()
        self._sending = asyncio.Lock()

    async def send(self, message: Mapping[str, Any], descriptors: Iterable[int] = ()) -> None:
        """Send a message; that the other side ended shows when its answer is read."""
        data = json.dumps(message).encode()
        head = struct.pack(">I", len(data))
        async with self._sending:
            with suppress(OSError):
                await self._send(head, data, list(descriptors))

    async def _send(self, head: bytes, data: bytes, descriptors: list[int]) -> None:
        if descriptors:
            socket.send_fds(self._socket, [head], descriptors)
            await self._loop.sock_sendall(self._socket, data)
        else:
            await self._loop.sock_sendall(self._socket, head + data)

    async def receive(self) -> dict[str, Any] | None:
        """Return the next message; None at the end, or after something that is not a message.

        Raises:
            TooLargeError: the message is larger than allowed.
        """
        while len(self._buffer) < 4 or len(self._buffer) < 4 + self._length():
            try:
                data = await self._loop.sock_recv(self._socket, _PART)
            except OSError:  # reset by a process that was killed
                return None
            if not data:
                return None
            self._buffer += data
        end = 4 + self._length()
        data = bytes(self._buffer[4:end])
        del self._buffer[:end]
        try:
            message = json.loads(data)
        except (ValueError, RecursionError):
            return None
        return message if isinstance(message, dict) else None

    def _length(self) -> int:
        length = int(struct.unpack_from(">I", self._buffer)[0])
        if length > self._largest:
            raise TooLargeError(f"{length} bytes")
        return length

    def close_writing(self) -> None:
        """Tell the other side that there are no more requests."""
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()
