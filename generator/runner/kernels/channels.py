"""The sockets between the runner and a kernel, and the messages on them (Jupyter's messaging protocol, version 5.4).

https://jupyter-client.readthedocs.io/en/stable/messaging.html, "The Wire Protocol".
"""

from __future__ import annotations

import itertools
import json
import os
from collections.abc import Iterable, Mapping
from datetime import datetime, timezone
from typing import Any

import zmq

from generator.runner.kernels.messages import Message, left_out
from generator.runner.kernels.numbering import MessageNumbers
from generator.runner.kernels.process import Connection
from generator.shared.json_levels import read_json

_DELIMITER = b"<IDS|MSG>"
_RETRY = 5
"""Milliseconds between two attempts to connect to a kernel that is starting."""


class Channels:
    """Shell, control and iopub of one kernel."""

    def __init__(self, connection: Connection) -> None:
        self._key = connection.key.encode()
        self._session = os.urandom(8).hex()
        self._numbers = itertools.count()
        self.received = MessageNumbers()
        self._context = zmq.Context(io_threads=1)
        self.shell = self._connect(zmq.DEALER, connection.address("shell"))
        self.control = self._connect(zmq.DEALER, connection.address("control"))
        self.iopub = self._connect(zmq.SUB, connection.address("iopub"))

    def _connect(self, kind: int, address: str) -> zmq.Socket[bytes]:
        connected: zmq.Socket[bytes] = self._context.socket(kind)
        connected.linger = 0
        connected.setsockopt(zmq.RECONNECT_IVL, _RETRY)
        connected.rcvhwm = 0  # unlimited: no output is dropped when a kernel prints faster than it is read
        if kind == zmq.SUB:
            connected.subscribe(b"")
        connected.connect(address)
        return connected

    def close(self) -> None:
        """Close the sockets."""
        self._context.destroy(linger=0)

    def send(
        self, channel: zmq.Socket[bytes], kind: str, content: Mapping[str, Any], *, parent: str | None = None
    ) -> str:
        """Send a request and return its id."""
        identity = f"{self._session}_{next(self._numbers)}"
        header = {
            "msg_id": identity,
            "msg_type": kind,
            "session": self._session,
            "username": "packmill",
            "date": datetime.now(timezone.utc).isoformat(),
            "version": "5.4",
        }
        parts = [_pack(part) for part in (header, {"msg_id": parent} if parent else {}, {}, content)]
        channel.send_multipart([_DELIMITER, self._signature(parts), *parts])
        return identity

    def receive(self, channel: zmq.Socket[bytes]) -> Message | None:
        """Return the next pending message; None without one, or with an invalid signature or header."""
        try:
            frames = channel.recv_multipart(zmq.NOBLOCK)
        except zmq.Again:
            return None
        try:
            at = frames.index(_DELIMITER)
            signature, header, parent, _metadata, content, *buffers = frames[at + 1 :]
        except ValueError:
            return None
        if self._key and not _is_same(signature, self._signature(frames[at + 2 : at + 6])):
            return None
        try:
            head, answered = _unpack(header), _unpack(parent)
        except (RecursionError, ValueError):
            return None
        self.received.note(str(head.get("msg_id", "")), published=channel is self.iopub)
        parent_id, time = str(answered.get("msg_id", "")), str(head.get("date", ""))
        try:
            found = _unpack(content)
        except (RecursionError, ValueError) as error:
            return left_out(parent_id, time, error)
        return Message(
            kind=str(head.get("msg_type", "")), parent=parent_id, time=time, content=found, buffers=tuple(buffers)
        )

    def _signature(self, parts: Iterable[bytes]) -> bytes:
        """Sign the four parts by HMAC-SHA256; empty without a key ("The Wire Protocol")."""
        if not self._key:
            return b""
        import hmac

        return hmac.new(self._key, b"".join(parts), "sha256").hexdigest().encode()


def _is_same(one: bytes, other: bytes) -> bool:
    from hmac import compare_digest

    return compare_digest(one, other)


def _pack(part: Mapping[str, Any]) -> bytes:
    try:
        return json.dumps(part, ensure_ascii=False, separators=(",", ":")).encode()
    except UnicodeEncodeError:  # a lone surrogate, which only an escape can represent
        return json.dumps(part, separators=(",", ":")).encode()


def _unpack(part: bytes) -> dict[str, Any]:
    """Parse a part of a message; invalid UTF-8, such as in old file names, is replaced.

    Raises:
        RecursionError, ValueError: as `read_json`.
    """
    content = read_json(part.decode("utf-8", "replace"))
    return content if isinstance(content, dict) else {}
