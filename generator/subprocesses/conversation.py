"""A program that is given lines and answers with lines while it runs."""

from __future__ import annotations

import os
import queue
import subprocess
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import IO, cast

from generator.subprocesses.ending import terminate
from generator.subprocesses.environment import inherited_variables

_LONGEST_LINE = 1 << 20
"""Bytes of an unfinished line after which it is dropped."""


class Conversation:
    """A program that is given lines and answers with lines; its stderr goes to a log."""

    def __init__(self, command: tuple[str, ...], *, log: Path) -> None:
        """Start the program in a session of its own, so that Ctrl-C on the terminal does not reach it.

        Raises:
            FileNotFoundError: it is not installed.
        """
        with log.open("ab") as file:
            self._process = subprocess.Popen(
                command,
                env=inherited_variables(),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=file,
                start_new_session=True,
            )
        self._held = b""
        self._stdin, self._stdout = cast("IO[bytes]", self._process.stdin), cast("IO[bytes]", self._process.stdout)
        self._unwritten: queue.SimpleQueue[bytes | None] | None = None
        """What a thread writes, once the program did not read a line at once; None closes its input."""
        os.set_blocking(self._stdin.fileno(), False)

    def fileno(self) -> int:
        """Return the descriptor of the program's answers."""
        return self._stdout.fileno()

    def write(self, line: bytes) -> None:
        """Give the program a line, without waiting until it reads it; nothing happens if it has ended (see `read`)."""
        if self._unwritten is None:
            line = self._write_now(line)
            if not line:
                return
            self._unwritten = queue.SimpleQueue()
            threading.Thread(target=self._write_later, args=(self._unwritten,), daemon=True).start()
        self._unwritten.put(line)

    def _write_now(self, line: bytes) -> bytes:
        """Write what the pipe takes; return the rest, which is empty if the program has ended."""
        with suppress(OSError, ValueError):
            while line:
                try:
                    line = line[os.write(self._stdin.fileno(), line) :]
                except BlockingIOError:
                    return line
        return b""

    def _write_later(self, unwritten: queue.SimpleQueue[bytes | None]) -> None:
        with suppress(OSError), self._stdin:
            os.set_blocking(self._stdin.fileno(), True)
            for line in iter(unwritten.get, None):
                self._stdin.write(line)
                self._stdin.flush()

    def read(self) -> list[bytes] | None:
        """Return the lines that have come since the last call; None after the program has closed its output."""
        chunk = os.read(self.fileno(), 1 << 16)
        if not chunk:
            return None
        *lines, self._held = (self._held + chunk).split(b"\n")
        if len(self._held) > _LONGEST_LINE:
            self._held = b""
        return lines

    def close(self) -> None:
        """Give the program no more lines."""
        if self._unwritten is not None:
            self._unwritten.put(None)
            return
        with suppress(OSError):
            self._stdin.close()

    def end(self, stop: Callable[[], None] = lambda: None) -> int:
        """Wait ten seconds for the program's end, then call ``stop`` and terminate it; return its exit code."""
        self.close()
        self._stdout.close()
        try:
            return self._process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            stop()
            terminate(self._process)
            return self._process.returncode
