"""The thread that starts the pipelines of schedules.

A pipeline and the next time of its schedule are stored in one transaction: a service that is killed starts each once. A
schedule has one pipeline at a time: a time that comes before the last one has ended waits for it. However many times
have passed meanwhile, or while no service ran, one pipeline stands for all of them. While the queue or the quota is
full, or git does not answer, schedules are late: they keep their time, and are tried again. If the clock is set back,
the times that were computed before are computed again.
"""

from __future__ import annotations

import threading
import time
import traceback
from contextlib import suppress

import sqlalchemy as sa

from generator.service.context import Context
from generator.service.http_errors import HttpError, error_text
from generator.service.log import log
from generator.service.project.project import GitUnavailableError
from generator.service.store import tokens
from generator.service.store.database import Row, Within
from generator.service.store.schedules import AlreadyStartedError
from generator.service.store.tokens import Identity
from generator.shared.clock_watch import ClockWatch
from generator.shared.errors import UsageError

_LONGEST_WAIT = 30.0
_BREAK = 1.0
"""Seconds before schedules that are late are tried again, however often pipelines change meanwhile."""
_LONGEST_PROBLEM = 500
_PASSING = (429, 507)
"""The queue is full, or the storage quota is reached."""


class ScheduleStarter:
    """Starts what is due, as long as the service runs."""

    def __init__(self, context: Context, *, clock: ClockWatch) -> None:
        """Prepare the thread; ``clock`` remembers the time of an earlier service."""
        self._context, self._schedules = context, context.schedules
        self._wake = threading.Event()
        self._stopping = self._is_checked = False
        self._clock = clock
        self._thread = threading.Thread(target=self._run, name="schedules", daemon=True)
        context.schedules.on_change = self._wake.set
        context.pipelines.listeners.append(self._wake.set)

    def start(self) -> None:
        """Start what became due while no service ran, and then each schedule at its times."""
        self._thread.start()

    def stop(self) -> None:
        """Start nothing more."""
        self._stopping = True
        self._wake.set()
        self._thread.join(timeout=5)

    def _run(self) -> None:
        while not self._stopping:
            self._wake.clear()
            try:
                self._check_times()
                is_late = False
                for schedule in self._schedules.due():
                    if not self._stopping:
                        is_late |= self._start(schedule)
                if is_late and not self._stopping:
                    time.sleep(_BREAK)
                wait = self._seconds_to_next()
            except Exception as error:  # noqa: BLE001 - a full disk or an unavailable database must not end the thread
                log(f"schedules: {error}; retrying")
                wait = 1.0
            self._wake.wait(timeout=wait)

    def _check_times(self) -> None:
        """Compute times again at the start and after the clock was set back.

        Not while it is behind: once it is set, all schedules would be due.
        """
        if self._clock.look() < 0:
            self._is_checked = False
        if not self._is_checked and not self._clock.is_behind:
            self._schedules.bring_forward()
            self._is_checked = True

    def _start(self, schedule: Row) -> bool:
        """Start the pipeline of a due schedule; return whether it is late.

        Others do not wait for one that is late or cannot start for an unknown reason.

        Raises:
            SQLAlchemyError, OSError: the database or the disk fails, so that no other schedule could start either.
        """
        try:
            return bool(start_due(self._context, schedule))
        except (sa.exc.SQLAlchemyError, OSError):
            raise
        except Exception:  # noqa: BLE001 - a bug; the next time of the schedule follows
            log(f"schedule {schedule['id']} cannot be started:\n{traceback.format_exc().rstrip()}")
            with suppress(AlreadyStartedError):
                self._schedules.note_problem(schedule, "an error of the service; its log has more")
        return False

    def _seconds_to_next(self) -> float:
        following = self._schedules.first_due()
        return _LONGEST_WAIT if following is None else min(max(0.05, following - time.time()), _LONGEST_WAIT)


def start_due(context: Context, schedule: Row) -> bool:
    """Start the pipeline of a due schedule, or store why it cannot start; either way the next time is set.

    Return whether it is late instead: it cannot start now, and keeps its time.
    """

    def advance(connection: sa.Connection, pipeline: int) -> None:
        context.schedules.advance(connection, schedule, pipeline=pipeline, problem=None)

    try:
        try:
            _start(context, schedule, _owner(context, schedule), advance)
        except GitUnavailableError as error:
            context.schedules.note_late(schedule, f"late: {error.strerror}"[:_LONGEST_PROBLEM])
            return True
        except (HttpError, UsageError) as error:
            problem = error_text(error) if isinstance(error, HttpError) else str(error)
            if isinstance(error, HttpError) and error.status in _PASSING:
                context.schedules.note_late(schedule, f"late: {problem}"[:_LONGEST_PROBLEM])
                return True
            context.schedules.note_problem(schedule, problem[:_LONGEST_PROBLEM])
    except AlreadyStartedError:
        pass
    return False


def start_now(context: Context, schedule: Row, user: Identity) -> int:
    """Start the pipeline of a schedule out of turn; its next time stays. Return the pipeline's number.

    Raises:
        HttpError: 400, the pipeline cannot start.
        UsageError: the schedule's values are no longer stored.
    """

    def note(connection: sa.Connection, pipeline: int) -> None:
        context.schedules.note_pipeline(connection, schedule["id"], pipeline)

    return _start(context, schedule, user, note)


def _start(context: Context, schedule: Row, user: Identity, within: Within) -> int:
    variables = context.schedules.variables(schedule)
    return context.start_pipeline(
        ref=schedule["ref"],
        source="schedule",
        user=user,
        variables=variables,
        schedule=schedule["id"],
        within=within,
    )


def _owner(context: Context, schedule: Row) -> Identity:
    """Return the identity that a schedule's pipelines run as.

    Raises:
        UsageError: its token has expired or was revoked.
    """
    found = tokens.find_by_number(context.pipelines.database, schedule["user_id"])
    if found is None or not found.may_write:
        raise UsageError(
            f"the token {schedule['user']!r}, which the schedule runs as, was revoked or has expired; take the "
            "schedule over with another token"
        )
    return found
