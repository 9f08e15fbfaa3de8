"""The log of a job: mask secrets, limit its size, and write collapsible sections.

The shepherd uses this module, so it needs only the standard library.
"""

from __future__ import annotations

import time
from pathlib import Path

from generator.service.jobs.secret_finder import SecretFinder

GREEN, RED, YELLOW, PLAIN = "\x1b[32;1m", "\x1b[31;1m", "\x1b[0;33m", "\x1b[0;m"
_GAP = f"\n{YELLOW}WARNING: a part of the log is missing here: it could not be written{PLAIN}\n".encode()


class Trace:
    """The log of a job, limited in size, with secrets masked even across chunks."""

    def __init__(self, path: Path, *, secrets: list[str], limit: int) -> None:
        self._file = path.open("ab", buffering=0)
        self._secrets = SecretFinder(secret.encode() for secret in secrets)
        self._held, self._masked = b"", 0
        self._left = limit - path.stat().st_size
        self._limit = limit
        self._has_gap = False

    def write(self, chunk: bytes) -> None:
        """Write a chunk, but hold back its end if a secret may start there."""
        if self._left <= 0:
            return
        text = self._held + chunk
        self._write_to(text, len(text) - self._secrets.unfinished(text))

    def say(self, text: str, color: str = "") -> None:
        """Write a message of the shepherd."""
        self.flush()
        self.write(f"{color}{text}{PLAIN if color else ''}\n".encode())

    def flush(self) -> None:
        """Write the held back text."""
        self._write_to(self._held, len(self._held))

    def close(self) -> None:
        """Write the held back text, and close the file."""
        self.flush()
        self._append(b"")
        self._file.close()

    def _write_to(self, text: bytes, end: int) -> None:
        """Write a text up to a place, and hold back the rest; its first bytes may be of a secret that is masked."""
        shown, done = [], self._masked
        for first, last in self._secrets.find(text):
            if first >= end:
                break
            if first >= done:
                shown += [text[done:first], b"[MASKED]"]
            done = max(done, last)
        shown.append(text[done:end])
        self._held, self._masked = text[end:], max(0, done - end)
        self._put(b"".join(shown))

    def _put(self, text: bytes) -> None:
        if self._left <= 0 or not text:
            return
        self._left -= self._append(text)
        if self._left <= 0:
            self._append(f"\n{RED}The log exceeds {self._limit} bytes; the rest is discarded{PLAIN}\n".encode())

    def _append(self, text: bytes) -> int:
        """Append a text, and return how much of it was written: a disk that is full for a moment must end no job."""
        try:
            if self._has_gap and self._file.write(_GAP) == len(_GAP):
                self._has_gap = False
            written = 0 if self._has_gap else self._file.write(text) or 0
        except OSError:
            written = 0
        self._has_gap = self._has_gap or written < len(text)
        return written


class Section:
    """A collapsible section of the log (https://docs.gitlab.com/ci/jobs/job_logs/)."""

    def __init__(self, trace: Trace, name: str, title: str) -> None:
        self._trace, self._name, self._title = trace, name, title

    def __enter__(self) -> None:
        mark = f"\x1b[0Ksection_start:{int(time.time())}:{self._name}[collapsed=true]\r\x1b[0K"
        self._trace.say(f"{mark}\x1b[36;1m{self._title}{PLAIN}")

    def __exit__(self, *_: object) -> None:
        self._trace.write(f"\x1b[0Ksection_end:{int(time.time())}:{self._name}\r\x1b[0K".encode())
