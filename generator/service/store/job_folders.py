"""The data folder of the service: a folder for each job, with its trace, artifacts and result."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import os
import secrets
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from generator.service.store.hidden_values import HiddenValues
from generator.service.store.run_files import RunFiles
from generator.service.store.uploads import Uploads
from generator.shared import durable_files
from generator.shared.errors import UsageError
from generator.shared.passing_errors import is_full_disk
from generator.shared.removal import remove_tree

_PAUSE = 1.0
"""Seconds between two attempts to open a lock."""
_SHORTAGES = {errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EAGAIN}


@dataclass(frozen=True, slots=True)
class JobFolder:
    """One job's folder; `generator.service.jobs.shepherd` describes its content."""

    path: Path

    @property
    def trace(self) -> Path:
        """The log."""
        return self.path / "trace"

    def trace_size(self) -> int:
        """Return the size of the log in bytes; 0 before it is created and after it was removed."""
        try:
            return self.trace.stat().st_size
        except OSError:
            return 0

    @property
    def artifacts(self) -> Path:
        """The archive of the job's artifacts."""
        return self.path / "artifacts.zip"

    @property
    def pages(self) -> Path:
        """Rendered notebooks of the artifacts."""
        return self.path / "pages"

    def remove_artifacts(self) -> None:
        """Remove the artifacts and the pages rendered from them."""
        self.artifacts.unlink(missing_ok=True)
        remove_tree(self.pages)

    @property
    def lock(self) -> Path:
        """The file that a shepherd locks as long as it lives."""
        return self.path / "lock"

    def prepare(self) -> None:
        """Prepare the folder for an attempt: remove everything of an earlier one but its trace."""
        self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)  # reading logs needs a token
        self.path.mkdir(exist_ok=True)
        for name in ("result.json", "group", "pid"):
            (self.path / name).unlink(missing_ok=True)
        self.remove_artifacts()
        self.trace.touch(mode=0o600)

    def shorten_trace(self, size: int) -> None:
        """Remove what the service noted in the trace after it had a size; no shepherd may write to it now."""
        with suppress(OSError):
            os.truncate(self.trace, min(size, self.trace.stat().st_size))

    def note(self, text: str) -> None:
        """Append a message of the service to the trace."""
        with suppress(OSError), self.trace.open("a", encoding="utf-8", errors="replace") as trace:
            trace.write(f"\x1b[0;33m{text}\x1b[0;m\n")

    def result(self) -> dict[str, Any] | None:
        """Return how the job ended; None if its shepherd was killed before.

        Raises:
            OSError: it cannot be read now, such as with too many open files.
        """
        try:
            found: dict[str, Any] = json.loads((self.path / "result.json").read_text(encoding="utf-8"))
        except (FileNotFoundError, NotADirectoryError, ValueError):
            return None
        return found

    def has_shepherd(self) -> bool:
        """Return whether a shepherd runs the job now, or cannot be looked for now."""
        try:
            return not self._take_lock(fcntl.LOCK_NB)
        except OSError:
            return True

    def wait(self) -> None:
        """Wait until no shepherd runs the job."""
        while True:
            try:
                self._take_lock()
                return
            except OSError:  # such as with too many open files: taken for the job's end, the job would run twice
                time.sleep(_PAUSE)

    def cancel(self) -> None:
        """Tell the job's shepherd, if it exists, to cancel the job.

        Raises:
            OSError: the machine is short of something now, such as of open files or of space for the process ID of the
                shepherd; the job runs on.
        """
        with _suppress_lasting_errors():
            if not self._take_lock(fcntl.LOCK_NB):
                os.kill(self._shepherd(), signal.SIGTERM)

    def store_shepherd(self, process: int) -> None:
        """Store the process ID of the shepherd, which may do so at the same time: its file is never emptied.

        Raises:
            OSError: it cannot be written, as on a full disk.
        """
        new = self.path / "pid.new"
        new.write_text(str(process))
        new.replace(self.path / "pid")

    def _shepherd(self) -> int:
        """Return the process ID of the shepherd, which has the lock.

        Raises:
            BlockingIOError: it is not written yet.
        """
        with suppress(FileNotFoundError, ValueError):
            return int((self.path / "pid").read_text())
        raise BlockingIOError(errno.EAGAIN, "the process ID of its shepherd is not written yet")

    def _take_lock(self, options: int = 0) -> bool:
        """Lock the file for a moment, as soon as no shepherd has it; return False with LOCK_NB if one has.

        Raises:
            OSError: the file cannot be opened or locked.
        """
        try:
            descriptor = os.open(self.lock, os.O_RDWR)
        except (FileNotFoundError, NotADirectoryError):
            return True
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | options)  # shared: others may check at the same time
        except BlockingIOError:
            return False
        finally:
            os.close(descriptor)
        return True

    def end_orphans(self, work: Path, *, everything: bool = False) -> None:
        """Kill the processes that a killed shepherd left in the script's process group, or ``everything`` of the job.

        The group's ID may have been reused: only processes with the job's work folder in their environment are killed.

        Raises:
            OSError: the machine is short of something now, such as of open files; processes may be left.
        """
        group = None
        with _suppress_lasting_errors():
            group = int((self.path / "group").read_text())
        if group is None:
            return
        mark = f"CI_PROJECT_DIR={work}\0".encode()
        for process in (one for one in Path("/proc").iterdir() if one.name.isdecimal()):
            with _suppress_lasting_errors():
                fields = (process / "stat").read_text(errors="replace").rpartition(")")[2].split()
                if (everything or int(fields[2]) == group) and mark in (process / "environ").read_bytes() + b"\0":
                    os.kill(int(process.name), signal.SIGKILL)

    def remove(self) -> None:
        """Remove the folder."""
        remove_tree(self.path)


@contextmanager
def _suppress_lasting_errors() -> Iterator[None]:
    """Suppress what a process or a file that is missing or malformed raises, but not a shortage of the machine."""
    try:
        yield
    except OSError as error:
        if error.errno in _SHORTAGES:
            raise
    except (ValueError, IndexError):
        pass


@dataclass(frozen=True, slots=True)
class DataFolder:
    """The service's folder on disk."""

    path: Path

    @property
    def database(self) -> Path:
        """The SQLite file."""
        return self.path / "packmill.sqlite3"

    @property
    def clock(self) -> Path:
        """When the service last looked at a clock that it trusts (`generator.shared.clock_watch`)."""
        return self.path / "clock"

    @property
    def hidden(self) -> HiddenValues:
        """The secret values of pipelines."""
        return HiddenValues(self.path / "values")

    @property
    def hook_secrets(self) -> HiddenValues:
        """The addresses and tokens of hooks."""
        return HiddenValues(self.path / "hooks")

    @property
    def schedule_values(self) -> HiddenValues:
        """The secret values of schedules."""
        return HiddenValues(self.path / "schedules")

    @property
    def run_files(self) -> RunFiles:
        """The files that people uploaded for runs."""
        return RunFiles(self.path / "run-files")

    @property
    def uploads(self) -> Uploads:
        """The files that clients uploaded for jobs."""
        return Uploads(self.path / "uploads")

    def job(self, number: int) -> JobFolder:
        """Return the folder of a job."""
        return JobFolder(self.path / "jobs" / str(number))

    @property
    def builds(self) -> Path:
        """The work folders of jobs."""
        return self.path / "builds"

    @property
    def temporaries(self) -> Path:
        """The temporary folders of jobs."""
        return self.path / "tmp"

    @property
    def cache(self) -> Path:
        """The cache that jobs share: image records, and packages for virtual environments."""
        return self.path / "cache"

    def claim(self) -> None:
        """Lock the folder for one process until it exits: a service with another database would remove its files.

        Raises:
            UsageError: a service or a prune has locked the folder, or its file system has no locks.
        """
        try:
            descriptor = os.open(self.path / "service.lock", os.O_RDWR | os.O_CREAT, 0o600)
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            problem = "a 'packmill serve' or 'packmill prune' uses this data folder; stop it, or name another folder"
            raise UsageError(f"--data {self.path}: {problem}") from None
        except OSError as error:
            if is_full_disk(error):
                raise
            raise UsageError(f"--data {self.path}: cannot be locked: {error.strerror}; name another folder") from None

    def has_identity(self) -> bool:
        """Return whether a service has used this data folder."""
        return (self.path / "instance").is_file()

    def identity(self) -> str:
        """Return the unique ID of this data folder, created at first use."""
        file = self.path / "instance"
        if not self.has_identity():
            new = self.path / f"instance.{os.getpid()}"
            with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as opened:
                opened.write(secrets.token_hex(8))
            durable_files.replace(new, file)
        return file.read_text(encoding="ascii")

    def label(self, number: int) -> str:
        """Return the value of the label that every container of a job has.

        It depends on the folder's path: a copy has the same ID, and must not end the original's containers.
        """
        place = f"{self.identity()}\n".encode() + os.fsencode(self.path.resolve())
        return f"{hashlib.sha256(place).hexdigest()[:16]}-{number}"

    def labels(self, number: int) -> tuple[str, str]:
        """Return the label of a job's containers, and that of containers that an earlier version started."""
        return self.label(number), f"{self.identity()}-{number}"

    def remove_work(self, number: int) -> None:
        """Remove the folders that a job's script wrote to, starting with those that may hold secrets."""
        temporary = self.temporary(number)
        for place in (*temporary.glob("packmill-git-*"), *temporary.glob("packmill-run-*"), temporary):
            remove_tree(place)
        remove_tree(self.work(number))

    def numbers(self) -> list[int]:
        """Return the jobs with a folder."""
        return [int(path.name) for path in (self.path / "jobs").glob("[0-9]*") if path.name.isdecimal()]

    def leftovers(self) -> list[int]:
        """Return the jobs whose script left a work or temporary folder."""
        folders = (*self.builds.glob("[0-9]*"), *self.temporaries.glob("[0-9]*"))
        return sorted({int(path.name) for path in folders if path.name.isdecimal()})

    def work(self, number: int) -> Path:
        """Return the work folder of a job, in which its script runs."""
        return self.builds / str(number)

    def temporary(self, number: int) -> Path:
        """Return the temporary folder of a job, which holds its home folder."""
        return self.temporaries / str(number)
