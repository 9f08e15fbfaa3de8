"""Children of a prepared process (`packmill_child`): start their run, interrupt and end them, learn how they ended."""

from __future__ import annotations

import json
import os
import signal
import socket
import struct
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from generator.runner.kernels.prepared import PreparedProcess, UnfitError
from generator.runner.kernels.process import is_readable, open_pidfd
from generator.shared.json_levels import read_json

_TERMINATE_TIMEOUT = 0.2
"""Seconds between SIGTERM and SIGKILL."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RunPlace:
    """What a child takes over at the start of its run; ``environment`` are changes of the prepared process's."""

    directory: Path
    environment: Mapping[str, str | None]
    log: int | None
    report: bool = False
    """Whether the child reports the modules that it loaded."""
    interactive: bool = False
    """Whether people type into the kernel: ``breakpoint`` works."""


class InvalidMessageError(ValueError):
    """A child sent something else than messages have; the next one can be received."""


class Channel:
    """The socket between the runner and a child."""

    def __init__(self) -> None:
        self.socket, self.theirs = socket.socketpair()
        self._buffer = bytearray()
        self.is_closed = False
        self.report: dict[str, list[str]] | None = None
        """The ``modules`` and ``local`` modules that the notebook loaded, of a child that ended by itself."""

    def send(self, message: Mapping[str, Any], descriptors: Iterable[int] = ()) -> None:
        """Send a message; that the child ended shows when its answer is read."""
        data = json.dumps(message).encode()
        with suppress(OSError):
            socket.send_fds(self.socket, [struct.pack(">I", len(data))], list(descriptors))
            self.socket.sendall(data)

    def receive(self, timeout: float | None) -> dict[str, Any] | None:
        """Return the next message; None after ``timeout`` seconds, or at the end (``is_closed``).

        Raises:
            RecursionError: the message has too many levels; the next one can be received.
            InvalidMessageError: it is not an object of JSON, or has a whole number of too many digits; as above.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        while True:
            if len(self._buffer) >= 4:
                end = 4 + struct.unpack_from(">I", self._buffer)[0]
                if len(self._buffer) >= end:
                    data = bytes(self._buffer[4:end])
                    del self._buffer[:end]
                    message = _read_object(data)
                    if "report" not in message:
                        return message
                    self.report = _modules(message["report"])
                    continue
            left = None if deadline is None else max(0, deadline - time.monotonic())
            if not is_readable(self.socket.fileno(), left):
                return None
            data = self._receive_bytes()
            if not data:
                self.is_closed = True
                return None
            self._buffer += data

    def close_writing(self) -> None:
        """Tell the child that there are no more messages."""
        with suppress(OSError):
            self.socket.shutdown(socket.SHUT_WR)

    def _receive_bytes(self) -> bytes:
        try:
            return self.socket.recv(1 << 20)
        except OSError:  # reset by a child that was killed
            return b""


def _read_object(data: bytes) -> dict[str, Any]:
    """Read a message.

    Raises:
        RecursionError: it has too many levels.
        InvalidMessageError: it is not an object of JSON, or has a whole number of too many digits.
    """
    try:
        message = read_json(data.decode())
    except ValueError as error:
        raise InvalidMessageError(str(error)) from None
    if not isinstance(message, dict):
        raise InvalidMessageError("a message is not an object")
    return message


def _modules(report: Any) -> dict[str, list[str]]:
    """Check the report of a child, whose notebook can write to its socket.

    Raises:
        InvalidMessageError: it is not one.
    """
    modules: dict[str, list[str]] = {}
    for name in ("modules", "local"):
        names = report.get(name) if isinstance(report, dict) else None
        if not isinstance(names, list) or not all(isinstance(one, str) for one in names):
            raise InvalidMessageError("a report has no lists of modules")
        modules[name] = names
    return modules


class ForkedProcess:
    """One run's process."""

    def __init__(self, prepared: PreparedProcess, **request: str) -> None:
        """Fork the process.

        Raises:
            UnfitError: the prepared process cannot be forked.
        """
        self.kernel = prepared.kernel
        self.prepared = prepared
        self.peak_memory: int | None = None
        self.keeps_output = True
        """Whether the kernel publishes without a limit (packmill_iopub)."""
        self._code: int | None = None
        self.channel = Channel()
        try:
            self._pid = prepared.fork(self.channel.theirs.fileno(), **request)
        except UnfitError:
            self.channel.socket.close()
            raise
        finally:
            self.channel.theirs.close()
        self.fileno = open_pidfd(self._pid)

    @property
    def process_id(self) -> int:
        """The id of the process."""
        return self._pid

    def begin(self, place: RunPlace, files: Iterable[int] = ()) -> None:
        """Let the run begin; ``files`` become the child's standard output and error, instead of the log."""
        start = {
            "directory": str(place.directory),
            "environment": dict(place.environment),
            "report": place.report,
            "interactive": place.interactive,
        }
        self.channel.send(start, (2 if place.log is None else place.log, *files))

    def exit_code(self) -> int | None:
        """Return the exit code; None while the process runs, negative after a signal."""
        self._reap(0)
        return self._code

    def interrupt(self) -> None:
        """Send SIGINT to the child and its own children."""
        self._signal(signal.SIGINT)

    def end(self) -> None:
        """End the child and its process group, and set ``peak_memory`` (bytes)."""
        if self.channel.socket.fileno() < 0:
            return
        if self.exit_code() is None:
            self._signal(signal.SIGTERM)
            self._reap(_TERMINATE_TIMEOUT)
        if self._code is None:
            self._signal(signal.SIGKILL)
            self._reap(None)
        while self._skips_message():  # up to its report
            pass
        if self.fileno is not None:
            os.close(self.fileno)
            self.fileno = None
        self.channel.socket.close()

    def _skips_message(self) -> bool:
        try:
            return self.channel.receive(0) is not None
        except (RecursionError, InvalidMessageError):
            return True

    def ends_within(self, seconds: float) -> bool:
        """Wait for the child's end; return whether it came in time."""
        self._reap(seconds)
        return self._code is not None

    def _reap(self, timeout: float | None) -> None:
        if self._code is not None:
            return
        try:
            ended = self.prepared.wait(self._pid, timeout)
        except UnfitError:  # its children were killed with it, but not what they started
            self._signal(signal.SIGKILL)
            self._code = -signal.SIGKILL
            return
        if ended is not None:
            self._code = os.waitstatus_to_exitcode(ended.status)
            self.peak_memory = ended.peak_memory

    def _signal(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._pid, number)
