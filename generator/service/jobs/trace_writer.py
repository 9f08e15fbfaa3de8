"""The log of a job: mask secrets, limit its size, and write collapsible sections.

The shepherd uses this module, so it needs only the standard library.
"""

from __future__ import annotations

import time
from pathlib import Path

GREEN, RED, YELLOW, PLAIN = "\x1b[32;1m", "\x1b[31;1m", "\x1b[0;33m", "\x1b[0;m"


class Trace:
    """The log of a job, limited in size, with secrets masked even across chunks."""

    def __init__(self, path: Path, *, secrets: list[str], limit: int) -> None:
        self._file = path.open("ab", buffering=0)
        self._secrets = sorted((secret.encode() for secret in secrets if secret), key=len, reverse=True)
        self._held = b""
        self._left = limit - path.stat().st_size
        self._limit = limit

    def write(self, chunk: bytes) -> None:
        """Write a chunk, but hold back its end if a secret may start there."""
        text = self._held + chunk
        for secret in self._secrets:
            text = text.replace(secret, b"[MASKED]")
        held = max((_overlap(text, secret) for secret in self._secrets), default=0)
        self._held = text[len(text) - held :]
        self._put(text[: len(text) - held])

    def say(self, text: str, color: str = "") -> None:
        """Write a message of the shepherd."""
        self.flush()
        self.write(f"{color}{text}{PLAIN if color else ''}\n".encode())

    def flush(self) -> None:
        """Write the held back text."""
        held, self._held = self._held, b""
        self._put(held)

    def _put(self, text: bytes) -> None:
        if self._left <= 0 or not text:
            return
        self._left -= len(text)
        self._file.write(text)
        if self._left <= 0:
            self._file.write(f"\n{RED}The log exceeds {self._limit} bytes; the rest is discarded{PLAIN}\n".encode())


def _overlap(text: bytes, secret: bytes) -> int:
    """Return how many bytes at the end of ``text`` could be the start of ``secret``."""
    longest = min(len(secret) - 1, len(text))
    return next((size for size in range(longest, 0, -1) if text.endswith(secret[:size])), 0)


class Section:
    """A collapsible section of the log (https://docs.gitlab.com/ci/jobs/job_logs/)."""

    def __init__(self, trace: Trace, name: str, title: str) -> None:
        self._trace, self._name, self._title = trace, name, title

    def __enter__(self) -> None:
        mark = f"\x1b[0Ksection_start:{int(time.time())}:{self._name}[collapsed=true]\r\x1b[0K"
        self._trace.say(f"{mark}\x1b[36;1m{self._title}{PLAIN}")

    def __exit__(self, *_: object) -> None:
        self._trace.write(f"\x1b[0Ksection_end:{int(time.time())}:{self._name}\r\x1b[0K".encode())
