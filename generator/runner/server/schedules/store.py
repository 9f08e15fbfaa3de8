"""What the server needs of a database of schedules."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

from generator.runner.server.schedules.model import Schedule


class ScheduleMissingError(Exception):
    """No schedule has this id."""


class ScheduleStore(Protocol):
    """Schedules in the database of the runs; several servers may use it at once."""

    def add(self, schedule: Schedule) -> None:
        """Add a schedule with a new id."""

    def get(self, schedule_id: str) -> Schedule:
        """Return a schedule.

        Raises:
            ScheduleMissingError: no schedule has this id.
        """

    def list(self) -> tuple[Schedule, ...]:
        """List all schedules, oldest first."""

    def replace(self, schedule: Schedule, *, before: Schedule) -> bool:
        """Replace all columns of a schedule except ``created`` and ``owner``; False if it is not ``before`` any more.

        Raises:
            ScheduleMissingError: no schedule has this id.
        """

    def remove(self, schedule_id: str) -> None:
        """Remove a schedule.

        Raises:
            ScheduleMissingError: no schedule has this id.
        """

    def due(self, now: datetime) -> tuple[Schedule, ...]:
        """Return the schedules that are due, the longest due first."""

    def first_due(self) -> datetime | None:
        """Return the next time at which a schedule is due."""

    def advance(self, schedule: Schedule, *, due: datetime | None, problem: str | None) -> None:
        """Set the next time and the problem; no effect if another server has changed the time since ``schedule``."""

    def close(self) -> None:
        """Close the database."""
