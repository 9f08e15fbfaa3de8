"""The journal of a map: which rows ended, and how. It is what ``--resume`` continues from.

An SQLite file in the output folder; a row is stored once its folder has its final name, so that a killed map loses at
most what ran at that moment. Its files reach the disk some seconds later, with those of other rows (`Journal.sync`): a
power loss may take them, and after it the rows that were not synced count as not run.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import sqlite3
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from generator.package.map.rows import PlannedRow
from generator.package.output_folder import refuse_links
from generator.shared import durable_files
from generator.shared.errors import DiskFullError, UsageError
from generator.shared.passing_errors import is_full_disk
from generator.shared.sqlite_errors import is_without_space

hidden_folder = ".packmill-map"
"""The map's own files, in the output folder."""
_FILE, _LOCK = "rows.sqlite", "lock"
_WAVES = "toil/[0-9]*"
"""Workflows of Toil that a map has not finished; another one would run the programs in these folders, and take their
results. See `generator.package.map.toil.waves`."""
_SCHEMA = (
    "CREATE TABLE IF NOT EXISTS rows (number INTEGER PRIMARY KEY, digest TEXT, folder TEXT, ended TEXT)",
    "CREATE INDEX IF NOT EXISTS row_folders ON rows (folder)",
    "CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value INTEGER)",
    "CREATE TABLE IF NOT EXISTS unsynced (entry INTEGER PRIMARY KEY AUTOINCREMENT, number INTEGER, boot TEXT)",
)
"""``unsynced``: rows whose files may be in memory alone, and the start of the machine (`durable_files.boot`)."""
_STATES = ("succeeded", "failed")
_MOST_DIGITS = 20
SYNC_INTERVAL = 5.0
"""Seconds between two writes of all files to the disk, as long as rows end."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Ended:
    """How a row ended; times in seconds, memory in bytes. ``outputs`` are paths below the row's folder."""

    state: str
    reason: str | None = None
    message: str | None = None
    cell: int | None = None
    seconds: float | None = None
    peak_memory: int | None = None
    """Of the kernel's largest process."""
    container_memory: int | None = None
    """The most that all processes of the row's container used at a time; None if it was not measured."""
    cpu_seconds: float | None = None
    """Processor time of the container while the row ran."""
    note: str | None = None
    attempts: int = 1
    scraps: dict[str, Any] = field(default_factory=dict)
    outputs: dict[str, Any] = field(default_factory=dict)

    @property
    def has_succeeded(self) -> bool:
        """Whether the row has its results."""
        return self.state == "succeeded"


class Journal:
    """The journal of one output folder."""

    def __init__(self, database: sqlite3.Connection, folder: Path) -> None:
        self._database, self._folder = database, folder
        self._boot = durable_files.boot()
        self._guard = threading.Lock()

    def ended(self, row: PlannedRow, folder: str) -> Ended | None:
        """Return how a row ended; None for one that has not, that had other values or another folder, or is damaged."""
        found = self._database.execute(
            "SELECT ended FROM rows WHERE number = ? AND digest = ? AND folder = ?", (row.number, row.digest, folder)
        ).fetchone()
        return _read_ended(found[0]) if found else None

    def size(self) -> int:
        """Return how many characters the records of all rows have."""
        (size,) = self._database.execute("SELECT coalesce(sum(length(ended)), 0) FROM rows").fetchone()
        return int(size)

    def store(self, row: PlannedRow, folder: str, ended: Ended) -> None:
        """Store how a row ended."""
        values = (row.number, row.digest, folder, json.dumps(asdict(ended)))
        with self._guard, self._database:
            self._database.execute("BEGIN")
            self._database.execute("INSERT OR REPLACE INTO rows VALUES (?, ?, ?, ?)", values)
            self._database.execute("INSERT INTO unsynced (number, boot) VALUES (?, ?)", (row.number, self._boot))

    def forget_replaced(self, row: PlannedRow, folder: str) -> None:
        """Forget other rows, and this one with other values, whose results the row's own are about to replace.

        Without that, a map that is interrupted before the row's end is stored, and continued with the earlier table,
        would take the row's results for theirs. The folders of an earlier template may be above or below this one.

        Raises:
            OSError, sqlite3.Error: the disk is full or broken.
        """
        parts = folder.split("/")
        above = ["/".join(parts[:length]) for length in range(1, len(parts) + 1)]
        above_or_below = f"(folder IN ({', '.join('?' for _ in above)}) OR (folder > ? AND folder < ?))"
        query = f"DELETE FROM rows WHERE {above_or_below} AND NOT (number = ? AND digest = ? AND folder = ?)"  # noqa: S608
        values = (*above, f"{folder}/", f"{folder}0", row.number, row.digest, folder)  # "0" follows "/"
        with self._guard:
            forgotten = self._database.execute(query, values).rowcount
        if forgotten:  # on the disk before the folder is replaced there
            durable_files.sync(self._folder / hidden_folder / f"{_FILE}-wal")

    def sync(self) -> None:
        """Write the files of all rows that ended to the disk, then note it.

        Raises:
            OSError, sqlite3.Error: the disk is full or broken.
        """
        with self._guard:
            (last,) = self._database.execute("SELECT max(entry) FROM unsynced").fetchone()
        if last is not None:
            durable_files.sync_file_system(self._folder)
            with self._guard:
                self._database.execute("DELETE FROM unsynced WHERE entry <= ?", (last,))
            durable_files.sync(self._folder / hidden_folder / f"{_FILE}-wal")

    def forget_lost(self) -> int:
        """Forget the rows whose files a power loss may have taken; return how many there were."""
        with self._guard, self._database:
            self._database.execute("BEGIN")
            query = "DELETE FROM rows WHERE number IN (SELECT number FROM unsynced WHERE boot <> ?)"
            number = self._database.execute(query, (self._boot,)).rowcount
            self._database.execute("DELETE FROM unsynced WHERE boot <> ?", (self._boot,))
        return number

    def digits(self, needed: int) -> int:
        """Return how many digits the folders' numbers have: as many as when the first row ended in this folder."""
        if not self.numbers():
            self._database.execute("DELETE FROM facts WHERE name = 'digits'")
        self._database.execute("INSERT OR IGNORE INTO facts VALUES ('digits', ?)", (needed,))
        (found,) = self._database.execute("SELECT value FROM facts WHERE name = 'digits'").fetchone()
        return found if isinstance(found, int) and 0 < found < _MOST_DIGITS else needed

    def has_begun(self) -> bool:
        """Return whether a map has begun to write to this folder."""
        return bool(self.numbers()) or self._fact("digits") is not None

    def change_tool(self, identity: int) -> bool:
        """Note what runs the rows, by a number; return whether rows ended, or may have, that something else ran.

        Jobs of Toil may have run rows of an interrupted map since.
        """
        found = self._fact("tool")
        self._database.execute("INSERT OR REPLACE INTO facts VALUES ('tool', ?)", (identity,))
        return found not in (None, identity) and (bool(self.numbers()) or self.has_waves())

    def is_written(self, name: str) -> bool | None:
        """Return whether a file is one of this map, or was about to be; None if no map has noted it."""
        found = self._fact(name)
        return None if found is None else bool(found)

    def note_written(self, name: str, *, is_written: bool) -> None:
        """Note whether a file is one of this map: before it is written, and after it is removed."""
        self._database.execute("INSERT OR REPLACE INTO facts VALUES (?, ?)", (name, int(is_written)))

    def _fact(self, name: str) -> Any:
        found = self._database.execute("SELECT value FROM facts WHERE name = ?", (name,)).fetchone()
        return found[0] if found else None

    def count_outdated(self, rows: Sequence[PlannedRow], folders: Mapping[int, str]) -> int:
        """Return how many rows ended with other values or in another folder than in a table, or are not in it."""
        current = {(row.number, row.digest, folders[row.number]) for row in rows}
        return sum(one not in current for one in self._database.execute("SELECT number, digest, folder FROM rows"))

    def forget(self, numbers: Sequence[int]) -> None:
        """Forget rows that the table no longer has."""
        self._database.executemany("DELETE FROM rows WHERE number = ?", [(number,) for number in numbers])

    def has_waves(self) -> bool:
        """Return whether an interrupted map left workflows of Toil."""
        return any((self._folder / hidden_folder).glob(_WAVES))

    def numbers(self) -> set[int]:
        """Return the numbers of all rows that ended."""
        return {number for (number,) in self._database.execute("SELECT number FROM rows")}


@contextmanager
def open_journal(outdir: Path, *, resume: bool) -> Iterator[Journal]:
    """Open the journal of an output folder for one map at a time.

    Raises:
        UsageError: another map writes to the folder, it has results of a map and ``resume`` was not asked for, or the
            map's own files in it are links, damaged, or closed to this user.
        DiskFullError: the disk is full.
    """
    folder = outdir / hidden_folder
    refuse_links(outdir, f"{hidden_folder}/{_LOCK}")
    with _locked(outdir, folder):
        for path in folder.iterdir():
            refuse_links(folder, path.name)
        with closing(_connect(folder / _FILE)) as database:
            journal = Journal(database, outdir)
            if (_has_rows(journal, folder / _FILE) or journal.has_waves()) and not resume:
                raise UsageError(
                    f"{outdir}: has a map, or the results of one; add --resume to run what is missing or failed, "
                    "or choose another --outdir"
                )
            yield journal


@contextmanager
def _locked(outdir: Path, folder: Path) -> Iterator[None]:
    """Hold the locks of a journal's folder and of a file in it.

    On NFS, the lock of a folder holds for one host, and that of a file for all, if it is open for writing. Maps of
    earlier versions have the lock of the folder alone.

    Raises:
        UsageError: another map has one of them, or the folder cannot be written.
    """
    opened = ((folder, os.O_RDONLY), (folder / _LOCK, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW))
    with ExitStack() as stack:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            for path, flags in opened:
                descriptor = os.open(path, flags | os.O_CLOEXEC, 0o666)
                stack.callback(os.close, descriptor)
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UsageError(f"{outdir}: another packmill map writes here; wait, or choose another --outdir") from None
        except OSError as error:
            if is_full_disk(error):
                raise
            problem = f"cannot be written or locked: {error.strerror}"
            raise UsageError(f"{outdir}: {problem}; choose another --outdir") from None
        yield


def _read_ended(text: Any) -> Ended | None:
    """Return what `Journal.store` wrote; None for anything else, also of another version."""
    try:
        ended = Ended(**json.loads(text))
    except (ValueError, TypeError, RecursionError):
        return None
    is_whole = isinstance(ended.scraps, dict) and isinstance(ended.outputs, dict) and ended.state in _STATES
    return ended if is_whole else None


def _has_rows(journal: Journal, path: Path) -> bool:
    try:
        return bool(journal.numbers())
    except sqlite3.Error as error:
        raise _failure(error, path) from None


def _connect(path: Path) -> sqlite3.Connection:
    try:
        database = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA synchronous = NORMAL")  # kept if the program is killed; see `Journal.sync`
        for statement in _SCHEMA:
            database.execute(statement)
    except sqlite3.Error as error:
        raise _failure(error, path) from None
    return database


def _failure(error: sqlite3.Error, path: Path) -> UsageError | DiskFullError:
    """Return the error for a journal that is not opened or read: damaged, or one that its disk keeps from that now."""
    if is_without_space(error, path.parent):
        return DiskFullError(OSError(errno.ENOSPC, "the disk is full", str(path)))
    now = isinstance(error, sqlite3.OperationalError)
    advice = "check its permissions and its disk, and run the command again" if now else "choose another --outdir"
    return UsageError(f"{path}: the journal cannot be opened: {error}; {advice}")
