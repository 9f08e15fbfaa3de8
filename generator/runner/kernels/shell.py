"""A session with an IPython shell in a forked child, without the kernel protocol (`packmill_shell`).

Its messages are those of a kernel, so cells, outputs and failures are handled by the same code. Text that the notebook,
programs and C libraries print is in files in memory; each message has how much of them came before it.
"""

from __future__ import annotations

import codecs
import ctypes
import fcntl
import itertools
import os
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import datetime, timezone
from typing import Any

from generator.runner.kernels.endings import CellTooLongError, KernelGoneError
from generator.runner.kernels.forked import ForkedProcess, InvalidMessageError, RunPlace
from generator.runner.kernels.messages import ExecuteRequest, Message, Take, ignore, left_out

_TICK = 0.2
"""Seconds between two calls of ``tick`` while a cell sends no message; text appears as often."""
_PART = 1 << 16
_PUNCH_HOLE = 0x03
"""FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE (fallocate(2)): free the memory of text that was read."""


class _Written:
    """The text that was written to one of the descriptors 1 and 2."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.descriptor = os.memfd_create(f"packmill-{name}", os.MFD_CLOEXEC)
        fcntl.fcntl(self.descriptor, fcntl.F_SETFL, os.O_APPEND)
        self._position = 0
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def size(self) -> int:
        return os.fstat(self.descriptor).st_size

    def read(self, end: int) -> str:
        """Return the text up to a position, and free its memory.

        A program that opens ``/dev/stderr`` for writing, as ``sh -c 'echo done > /dev/stderr'`` does, empties the file.
        """
        parts = []
        if self.size() < self._position:
            self._position = 0
        start = self._position
        while self._position < end:
            data = os.pread(self.descriptor, min(_PART, end - self._position), self._position)
            if not data:  # emptied after its size was noted, and perhaps written again
                if self.size() < self._position:
                    self._position = 0
                break
            self._position += len(data)
            parts.append(self._decoder.decode(data))
        if self._position - start > _PART:
            read = ctypes.c_long(self._position)
            ctypes.CDLL(None).fallocate64(self.descriptor, _PUNCH_HOLE, ctypes.c_long(0), read)
        return "".join(parts)

    def close(self) -> None:
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1


class ShellSession:
    """A started shell."""

    def __init__(self, process: ForkedProcess) -> None:
        self.process = process
        self.current_request = ""
        self._written = (_Written("stdout"), _Written("stderr"))
        self._numbers = itertools.count()

    def begin(self, place: RunPlace) -> None:
        """Let the run begin."""
        self.process.begin(place, [one.descriptor for one in self._written])

    def wait_until_ready(self, timeout: float) -> dict[str, Any]:  # noqa: ARG002 - requests wait in the channel
        """Return what a kernel's ``kernel_info_reply`` has."""
        imported = self.process.prepared.imported
        return {"language_info": dict(imported.language)} if imported else {}

    def execute(self, request: ExecuteRequest) -> Message:
        """Run code and return its ``execute_reply``, as `generator.runner.kernels.session.Session.execute`."""
        self.current_request = str(next(self._numbers))
        request.sent(self.current_request)
        self.process.channel.send({"id": self.current_request, "code": request.code})
        deadline = None if request.limit is None else time.monotonic() + request.limit
        return self._receive_until_idle(request.take, request.tick, deadline)

    def _receive_until_idle(self, take: Take, tick: Callable[[], None], deadline: float | None) -> Message:
        reply: Message | None = None
        while True:
            message = self._next(take, tick, deadline)
            if message.kind == "execute_reply":
                reply = message
            else:
                take(message)
            tick()
            if reply and message.kind == "status" and message.content.get("execution_state") == "idle":
                return reply

    def _next(self, take: Take, tick: Callable[[], None], deadline: float | None) -> Message:
        """Return the next message, after the text that was written before it."""
        channel = self.process.channel
        while True:
            left = _TICK if deadline is None else min(_TICK, deadline - time.monotonic())
            if left <= 0:
                raise CellTooLongError
            try:
                parts = channel.receive(left)
                _check(parts)
            except (RecursionError, InvalidMessageError) as error:
                self._take_text(take)
                return left_out(self.current_request, datetime.now(timezone.utc).isoformat(), error)
            self._take_text(take, parts["written"] if parts else None)
            if parts and "kind" in parts:
                return Message(parts["kind"], parts["parent"], parts["time"], parts["content"])
            if parts:
                channel.send({"confirmed": True})
            if channel.is_closed:
                raise KernelGoneError
            tick()

    def _take_text(self, take: Take, sizes: list[int] | None = None) -> None:
        for index, one in enumerate(self._written):
            if text := one.read(sizes[index] if sizes else one.size()):
                now = datetime.now(timezone.utc).isoformat()
                take(Message("stream", self.current_request, now, {"name": one.name, "text": text}))

    def send_to_shell(self, kind: str, content: dict[str, Any], *, parent: str | None = None) -> None:
        """Ignore messages of widgets: a shell has none."""

    def check_losses(self) -> None:
        """Do nothing: the channel loses no message."""

    def interrupt(self, *, take: Take, patience: float) -> None:
        """Interrupt the running cell and handle its messages for at most ``patience`` seconds."""
        self.process.interrupt()
        with suppress(KernelGoneError, CellTooLongError):
            self._receive_until_idle(take, ignore, time.monotonic() + patience)

    def ask(self, code: str, *, take: Take, silent: bool = True, fields: Mapping[str, Any] | None = None) -> str | None:
        """Refuse: only kernels that hide failures are asked."""
        raise NotImplementedError

    def wait_for_language_version(self, timeout: float, *, other_than: str) -> None:
        """Do nothing: a shell can execute at once."""

    def request_shutdown(
        self,
        *,
        take: Take,
        patience: float,
        grace: float | None = None,  # noqa: ARG002 - a shell ends by itself
    ) -> bool:
        """Let the process end; return whether it did within ``patience`` seconds."""
        self.process.channel.close_writing()
        deadline = time.monotonic() + patience
        with suppress(KernelGoneError, CellTooLongError):
            while True:
                take(self._next(take, ignore, deadline))
        gone = self.process.ends_within(max(0, deadline - time.monotonic()))
        self._take_text(take)
        return gone

    def end(self) -> None:
        """End the process and release what belongs to it."""
        self.process.end()
        for one in self._written:
            one.close()


def _check(parts: Mapping[str, Any] | None) -> None:
    """Check the fields of a message, if present: a notebook can write to its own socket.

    Raises:
        InvalidMessageError: one is missing, or of another type.
    """
    if parts is None:
        return
    written = parts.get("written")
    if not isinstance(written, list) or list(map(type, written)) != [int, int]:
        raise InvalidMessageError("a message has no sizes of the texts before it")
    if "kind" in parts and not (
        all(isinstance(parts.get(name), str) for name in ("kind", "parent", "time"))
        and isinstance(parts.get("content"), dict)
    ):
        raise InvalidMessageError("a message lacks a field")
