"""The channels of a kernel for one client, and what they keep for it: a client can be hostile, slow, or gone.

Jupyter Server reads a message by the lengths that the client states, and keeps any amount of outputs in memory.
"""

from __future__ import annotations

import struct
from asyncio import Future
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from itertools import pairwise
from typing import Any

from jupyter_server.services.kernels.connection.channels import ZMQChannelsWebsocketConnection
from tornado.websocket import WebSocketClosedError

from generator.runner.server.gateway.websocket.callers import caller
from generator.runner.server.problems import ProblemError

_V1 = "v1.kernel.websocket.jupyter.org"
_MOST_PARTS = 10_000
_MOST_UNSENT = 256 << 20
"""Bytes on their way to one client; one message may have more."""
_MOST_KEPT = 64 << 20
"""Bytes that are kept for a client that left; Jupyter Server drops most of a larger stream when it is sent again."""
_PER_MESSAGE = 1000
"""Bytes of memory that a message takes besides its content."""
_INVALID = 1007
"""The code of RFC 6455, section 7.4.1, for a message that is not what its protocol has."""
_TOO_SLOW = 1008
_REFUSED = 1008
_MISTAKES = (ValueError, TypeError, LookupError, AttributeError, AssertionError, RecursionError, struct.error)


class KernelChannels(ZMQChannelsWebsocketConnection):  # type: ignore[misc]
    """One client's connection to a kernel."""

    _is_counted = False
    _has_ended = False
    _is_refused = False
    _unsent = 0

    def __init__(self, *words: Any, **options: Any) -> None:
        super().__init__(*words, **options)
        identity = caller.get()
        self._token = identity.name if identity else ""

    @classmethod
    def refuse_invalid(cls, check_token: Callable[[str], None]) -> None:
        """Disconnect the clients whose token is revoked or expired, or may not run code any more."""
        for client in list(cls._open_sockets):
            if isinstance(client, cls):
                client.refuse_if_invalid(check_token)

    def refuse_if_invalid(self, check_token: Callable[[str], None]) -> None:
        """Disconnect the client if its token is not valid any more."""
        try:
            if not self._is_refused:
                check_token(self._token)
        except ProblemError as error:
            self._is_refused = True  # a client can go on sending for a while
            self.log.warning("kernel %s: a client is disconnected: %s", self.kernel_id, error.detail)
            self.websocket_handler.close(_REFUSED, "the token is not valid any more")

    def connect(self) -> Any:
        """Begin to pass messages on; counts as a connection of the kernel."""
        self._is_counted = True
        return super().connect()

    def disconnect(self) -> None:
        """End, once: a client can leave before `connect`, and Jupyter Server can call this twice."""
        if self._has_ended:
            return
        self._has_ended = True
        if not self._is_counted:  # the inherited method takes off what `connect` adds
            self.multi_kernel_manager.notify_connect(self.kernel_id)
            self._open_sockets.add(self)
        super().disconnect()

    def handle_incoming_message(self, incoming_msg: str | bytes) -> None:
        """Send a client's message to the kernel; one of another form ends the connection."""
        if self._is_refused:
            return
        try:
            check_message(incoming_msg, is_v1=self.subprotocol == _V1)
            super().handle_incoming_message(incoming_msg)
        except _MISTAKES as error:
            self.log.warning("kernel %s: a message of a client is invalid: %s", self.kernel_id, repr(error)[:200])
            self.websocket_handler.close(_INVALID, "not a message of Jupyter's protocol")

    @property
    def write_message(self) -> Callable[..., None]:
        """The function that sends a message to the client."""
        return self._write

    def _write(self, message: str | bytes, binary: bool = False) -> None:  # noqa: FBT001, FBT002 - of the interface
        if self._unsent > _MOST_UNSENT:
            self.log.warning("kernel %s: a client does not read its messages, and is disconnected", self.kernel_id)
            self.websocket_handler.close(_TOO_SLOW, "too many messages wait for this client")
            self._unsent = 0  # nothing is sent from now on
        try:
            sent = self.websocket_handler.write_message(message, binary=binary)
        except WebSocketClosedError:  # the kernel does not know yet that the client left
            return
        self._unsent += len(message)
        sent.add_done_callback(partial(self._note_sent, len(message)))

    def _note_sent(self, size: int, sent: Future[None]) -> None:
        self._unsent -= size
        if not sent.cancelled():
            sent.exception()  # the client left


class KeptMessages(deque[tuple[str, Sequence[bytes]]]):
    """Messages of a kernel for a client that left: the newest ones, up to a size."""

    def __init__(self, most: int = _MOST_KEPT) -> None:
        super().__init__()
        self._most = most
        self._size = 0

    def take(self, channel: str, parts: Sequence[bytes]) -> None:
        """Keep a message, and drop the oldest ones that are too much."""
        self.append((channel, parts))
        self._size += _size(parts)
        while self._size > self._most and len(self) > 1:
            self._size -= _size(self.popleft()[1])


def _size(parts: Sequence[bytes]) -> int:
    return _PER_MESSAGE + sum(map(len, parts))


def check_message(message: str | bytes, *, is_v1: bool) -> None:
    """Check the places of a binary message's parts, which Jupyter Server takes as they are.

    Raises:
        ValueError: there are too many, or they are not in their order within the message.
    """
    if isinstance(message, str):
        if is_v1:
            raise ValueError("text in place of a binary message")
        return
    if is_v1:
        number = int.from_bytes(message[:8], "little")
        places, end = _read_places(message, number, "<Q"), None
    else:
        number = int.from_bytes(message[:4], "big")
        places, end = _read_places(message, number, "!I"), len(message)
    ends = places if end is None else (*places, end)
    if any(later < earlier for earlier, later in pairwise(ends)) or ends[-1] > len(message):
        raise ValueError("parts that are not in the message")


def _read_places(message: bytes, number: int, form: str) -> tuple[int, ...]:
    if not 1 <= number <= _MOST_PARTS:
        raise ValueError(f"a message of {number} parts")
    return struct.unpack_from(f"{form[0]}{number}{form[1]}", message, struct.calcsize(form))
