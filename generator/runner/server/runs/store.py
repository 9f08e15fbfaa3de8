"""What the server and its workers need of a database of runs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Protocol

from generator.runner.server.runs.model import NewRun, Outcome, Run, RunState


class QueueFullError(Exception):
    """As many runs wait as the server accepts."""


class ShareFullError(Exception):
    """As many runs of one owner wait as the server accepts."""


class RunMissingError(Exception):
    """No run has this id."""


class RunLostError(Exception):
    """The worker counts as dead, so its run was ended or given to another worker: no cell may begin."""


class StoreUnavailableError(Exception):
    """The database does not answer; a later call may succeed."""


class StoreMisfitError(StoreUnavailableError):
    """The database lacks a table or a column: a later call fails, too, until an operator has changed that."""


class ChangeKind(str, Enum):
    """Changes of runs that another server may have made."""

    QUEUED = "queued"
    DISMISSED = "dismissed"
    ENDED = "ended"


@dataclass(frozen=True, kw_only=True, slots=True)
class Change:
    """A run changed; without an id, any run may have."""

    kind: ChangeKind
    run_id: str | None = None


class Changes(Protocol):
    """Changes of runs as they happen."""

    def fileno(self) -> int:
        """Return a file descriptor that is readable when `read` has changes."""

    def read(self) -> tuple[Change, ...]:
        """Return the changes since the last call, without waiting."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RunFilter:
    """Which runs to list, newest first. ``before`` is the id of the last run of the page before."""

    states: tuple[RunState, ...] = ()
    process: str | None = None
    owner: str | None = None
    protocol: str | None = None
    schedule: str | None = None
    before: str | None = None
    limit: int = 50


class RunStore(Protocol):
    """Runs in a database, whose methods several processes and threads may call at once.

    An added run is never lost, and is claimed once: `end_lost_runs` ends the run of a worker that died as failed,
    or queues it again if no cell had begun. Every method raises `StoreUnavailableError` if the database is down.
    """

    blocking: bool
    """Whether calls wait for a network, so that an event loop must not make them."""

    def add(self, run: NewRun, *, run_id: str, queue_limit: int, owner_limit: int | None = None) -> Run:
        """Queue a run, and return its row, or the earlier row of the same owner and idempotency key.

        Raises:
            QueueFullError: ``queue_limit`` runs wait.
            ShareFullError: ``owner_limit`` runs of the owner wait, counted with those that are added at the same time.
        """

    def get(self, run_id: str) -> Run:
        """Return a run.

        Raises:
            RunMissingError: no run has this id.
        """

    def list(self, chosen: RunFilter) -> tuple[Run, ...]:
        """List runs, newest first."""

    def claim(self, worker: str) -> Run | None:
        """Give the oldest queued run to a worker; None if none waits."""

    def listen(self, *kinds: ChangeKind) -> Changes | None:
        """Listen to changes by other servers; None if the database has one server, whose processes tell each other.

        Changes can be missed while a connection is lost, so ask the database once in a while too.
        """

    def set_progress(self, run_id: str, *, cell: int, cells: int) -> None:
        """Note the running cell, before it begins.

        Raises:
            RunLostError: this process claimed the run and has lost it.
        """

    def finish(self, run_id: str, outcome: Outcome) -> None:
        """End a running run; no effect on a run that has ended."""

    def lose(self, run_id: str, outcome: Outcome) -> None:
        """End a run as failed that had succeeded, because its results are lost."""

    def sync(self) -> None:
        """Write the rows that were stored to the disk, unless the database has done so itself.

        Raises:
            OSError: the disk is full or broken.
        """

    def dismiss(self, run_id: str) -> Run:
        """End a queued run as dismissed; mark a running one (`is_dismissed`), which its worker then interrupts.

        Raises:
            RunMissingError: no run has this id.
        """

    def is_dismissed(self, run_id: str) -> bool:
        """Whether the end of the run was asked for."""

    def end_lost_runs(self, *, dead: Iterable[str] = ()) -> tuple[Run, ...]:
        """End the running runs whose workers have died, or queue them again; return them.

        ``dead`` names workers that the caller saw die, which a database on another machine notices later.
        """

    def count(self) -> Mapping[RunState, int]:
        """Count the runs in each state."""

    def expired(self, *, before: datetime) -> tuple[Run, ...]:
        """Return runs that ended before a time, at most a thousand, oldest first."""

    def delete(self, run_ids: Iterable[str]) -> None:
        """Delete rows of ended runs."""

    def close(self) -> None:
        """Close the database."""
