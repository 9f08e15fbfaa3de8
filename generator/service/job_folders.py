"""Where the service keeps what is no row: a folder a job, with its trace, its artifacts and its result."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import signal
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class JobFolder:
    """One job's folder; `generator.service.shepherd` says what lies in it."""

    path: Path

    @property
    def trace(self) -> Path:
        """The log."""
        return self.path / "trace"

    @property
    def artifacts(self) -> Path:
        """The archive of what the job left."""
        return self.path / "artifacts.zip"

    @property
    def lock(self) -> Path:
        """Locked as long as a shepherd lives."""
        return self.path / "lock"

    def prepare(self) -> None:
        """An empty folder for an attempt; the trace of an earlier attempt stays."""
        self.path.mkdir(parents=True, exist_ok=True)
        for name in ("result.json", "group", "artifacts.zip"):
            (self.path / name).unlink(missing_ok=True)
        self.trace.touch(mode=0o600)

    def note(self, text: str) -> None:
        """A line of the service's own at the end of the trace."""
        with suppress(FileNotFoundError), self.trace.open("a", encoding="utf-8") as trace:
            trace.write(f"\x1b[0;33m{text}\x1b[0;m\n")

    def result(self) -> dict[str, Any] | None:
        """How the job ended; None when its shepherd did not get that far."""
        try:
            found: dict[str, Any] = json.loads((self.path / "result.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        return found

    def is_tended(self) -> bool:
        """Whether a shepherd looks after the job now."""
        try:
            descriptor = os.open(self.lock, os.O_RDWR)
        except OSError:
            return False
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(descriptor)
        return False

    def wait(self) -> None:
        """Waits until no shepherd looks after the job."""
        with suppress(OSError):
            descriptor = os.open(self.lock, os.O_RDWR)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX)
            finally:
                os.close(descriptor)

    def cancel(self) -> None:
        """Asks the shepherd to end the job, if there is one."""
        with suppress(OSError, ValueError):
            if self.is_tended():
                os.kill(int((self.path / "pid").read_text()), signal.SIGTERM)

    def end_orphans(self) -> None:
        """Kills what a killed shepherd left running, unless its number belongs to other processes by now."""
        with suppress(OSError, ValueError):
            group, started = (self.path / "group").read_text().split()
            if Path(f"/proc/{group}/stat").read_text().rpartition(")")[2].split()[19] == started:
                os.killpg(int(group), signal.SIGKILL)

    def remove(self) -> None:
        """Removes everything of the job."""
        shutil.rmtree(self.path, ignore_errors=True)


@dataclass(frozen=True, slots=True)
class DataFolder:
    """The service's folder on disk."""

    path: Path

    @property
    def database(self) -> Path:
        """The SQLite file."""
        return self.path / "packmill.sqlite3"

    def job(self, number: int) -> JobFolder:
        """The folder of a job."""
        return JobFolder(self.path / "jobs" / str(number))

    def work(self, number: int) -> Path:
        """Where a job's script runs."""
        return self.path / "builds" / str(number)
