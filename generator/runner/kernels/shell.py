"""A session with an IPython shell in a forked child, without the kernel protocol (`packmill_shell`).

Its messages are those of a kernel, so cells, outputs and failures are handled by the same code. Output of programs and
C libraries goes to files in memory; each message tells how much of them came before it.
"""

from __future__ import annotations

import codecs
import ctypes
import fcntl
import itertools
import json
import os
import select
import socket
import struct
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from generator.runner.kernels.forked import ForkedProcess
from generator.runner.kernels.messages import Message
from generator.runner.kernels.prepared import PreparedProcess
from generator.runner.kernels.session import CellTooLongError, KernelGoneError, NotReadyError

_TICK = 1.0
_PART = 1 << 16
_PUNCH_HOLE = 0x03
"""FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE (fallocate(2)): free the memory of text that was read."""


class _Written:
    """What programs wrote to one of the descriptors 1 and 2."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.descriptor = os.memfd_create(f"packmill-{name}", os.MFD_CLOEXEC)
        fcntl.fcntl(self.descriptor, fcntl.F_SETFL, os.O_APPEND)
        self._position = 0
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def size(self) -> int:
        return os.fstat(self.descriptor).st_size

    def read(self, end: int) -> str:
        """Return the text up to a position, and free its memory."""
        parts = []
        start = self._position
        while self._position < end:
            data = os.pread(self.descriptor, min(_PART, end - self._position), self._position)
            self._position += len(data)
            parts.append(self._decoder.decode(data))
        if end - start > _PART:
            ctypes.CDLL(None).fallocate64(self.descriptor, _PUNCH_HOLE, ctypes.c_long(0), ctypes.c_long(end))
        return "".join(parts)


class ShellSession:
    """A started shell."""

    def __init__(
        self, prepared: PreparedProcess, *, cwd: Path, environment: Mapping[str, str | None], log: int | None
    ) -> None:
        """Fork the shell's process.

        Raises:
            UnfitError: the prepared process cannot be forked.
        """
        self._written = (_Written("stdout"), _Written("stderr"))
        self._ours, theirs = socket.socketpair()
        self._numbers = itertools.count()
        self.current_request = ""
        self._buffer = bytearray()
        with theirs:
            self.process = ForkedProcess(
                prepared,
                descriptors=(theirs.fileno(), *(one.descriptor for one in self._written)),
                cwd=cwd,
                environment=environment,
                log=log,
            )

    def wait_until_ready(self, timeout: float) -> dict[str, Any]:
        """Wait until the child takes requests, and return what a kernel's ``kernel_info_reply`` has.

        Raises:
            KernelGoneError: the process ended.
            NotReadyError: it did not answer within ``timeout`` seconds.
        """
        if not self.process.wait_until_ready(timeout):
            raise KernelGoneError if self.process.exit_code() is not None else NotReadyError
        return {}

    def execute(
        self,
        code: str,
        *,
        sent: Callable[[str], None],
        take: Callable[[Message], None],
        tick: Callable[[], None],
        stop_on_error: bool = True,  # noqa: ARG002 - requests are sent one after another
        limit: float | None = None,
        fields: Mapping[str, Any] | None = None,  # noqa: ARG002 - a shell has one language
    ) -> Message:
        """Run code and return its ``execute_reply``, as `generator.runner.kernels.session.Session.execute`."""
        self.current_request = str(next(self._numbers))
        sent(self.current_request)
        data = json.dumps({"id": self.current_request, "code": code}).encode()
        with suppress(OSError):  # its end shows when the answer is read
            self._ours.sendall(struct.pack(">I", len(data)) + data)
        return self._receive_until_idle(take, tick, None if limit is None else time.monotonic() + limit)

    def _receive_until_idle(
        self, take: Callable[[Message], None], tick: Callable[[], None], deadline: float | None
    ) -> Message:
        reply: Message | None = None
        while True:
            message, written = self._next(take, tick, deadline)
            self._take_written(written, take)
            if message.kind == "execute_reply":
                reply = message
            else:
                take(message)
            tick()
            if reply and message.kind == "status" and message.content["execution_state"] == "idle":
                return reply

    def _next(
        self, take: Callable[[Message], None], tick: Callable[[], None], deadline: float | None
    ) -> tuple[Message, list[int]]:
        while True:
            if (complete := self._complete()) is not None:
                return complete
            left = _TICK if deadline is None else min(_TICK, deadline - time.monotonic())
            if left <= 0:
                raise CellTooLongError
            if not select.select([self._ours], [], [], left)[0]:
                self._take_written([one.size() for one in self._written], take)
                tick()
                continue
            data = self._ours.recv(1 << 20)
            if not data:
                self._take_written([one.size() for one in self._written], take)
                raise KernelGoneError
            self._buffer += data

    def _complete(self) -> tuple[Message, list[int]] | None:
        """Return the next message, if it arrived whole."""
        if len(self._buffer) < 4:
            return None
        end = 4 + struct.unpack_from(">I", self._buffer)[0]
        if len(self._buffer) < end:
            return None
        parts = json.loads(self._buffer[4:end])
        del self._buffer[:end]
        return Message(parts["kind"], parts["parent"], parts["time"], parts["content"]), parts["written"]

    def _take_written(self, sizes: list[int], take: Callable[[Message], None]) -> None:
        for one, size in zip(self._written, sizes, strict=True):
            if text := one.read(size):
                now = datetime.now(timezone.utc).isoformat()
                take(Message("stream", self.current_request, now, {"name": one.name, "text": text}))

    def send_to_shell(self, kind: str, content: dict[str, Any], *, parent: str | None = None) -> None:
        """Ignore messages of widgets: a shell has none."""

    def check_losses(self) -> None:
        """Do nothing: the channel loses no message."""

    def interrupt(self, *, take: Callable[[Message], None], patience: float) -> None:
        """Interrupt the running cell and handle its messages for at most ``patience`` seconds."""
        self.process.interrupt()
        with suppress(KernelGoneError, CellTooLongError):
            self._receive_until_idle(take, lambda: None, time.monotonic() + patience)

    def ask(
        self,
        code: str,
        *,
        take: Callable[[Message], None],
        silent: bool = True,
        fields: Mapping[str, Any] | None = None,
    ) -> str | None:
        """Refuse: only kernels that hide failures are asked."""
        raise NotImplementedError

    def wait_for_language_version(self, timeout: float, *, other_than: str) -> None:
        """Do nothing: a shell can execute at once."""

    def request_shutdown(
        self,
        *,
        take: Callable[[Message], None],
        patience: float,
        grace: float | None = None,  # noqa: ARG002 - a shell ends by itself
    ) -> bool:
        """Let the process end; return whether it did within ``patience`` seconds."""
        with suppress(OSError):
            self._ours.shutdown(socket.SHUT_WR)
        deadline = time.monotonic() + patience
        with suppress(KernelGoneError, CellTooLongError):
            while True:
                message, written = self._next(take, lambda: None, deadline)
                self._take_written(written, take)
                take(message)
        gone = self.process.ends_within(max(0, deadline - time.monotonic()))
        self._take_written([one.size() for one in self._written], take)
        return gone

    def end(self) -> None:
        """End the process and release what belongs to it."""
        self.process.end()
        self._ours.close()
        for one in self._written:
            os.close(one.descriptor)
