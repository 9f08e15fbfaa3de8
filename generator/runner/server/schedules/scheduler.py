"""The task that starts the runs of schedules.

A run's idempotency key holds its schedule and its due time, so that servers with one database start it once. A schedule
has one run at a time: a time that comes before the last run has ended waits for it. However many times have passed
meanwhile, or while no server ran, one run stands for all of them. While the queue or the disk is full, or the notebook
cannot be read for a moment, a schedule is late: it keeps its time, shows why, and is tried again. If the clock is set
back, times that were computed before are computed again.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta, timezone
from itertools import islice, takewhile
from zoneinfo import ZoneInfo

from generator.runner.server.context import Context
from generator.runner.server.problems import ProblemError
from generator.runner.server.runs.model import RunState
from generator.runner.server.runs.store import RunFilter, StoreUnavailableError
from generator.runner.server.schedules.model import Schedule
from generator.runner.server.schedules.store import ScheduleMissingError
from generator.runner.server.schedules.time_parameters import time_values
from generator.runner.server.schedules.values import read_values
from generator.runner.server.storage import dated_name
from generator.runner.server.submission import KEY_REUSED, Submission, save, submit
from generator.runner.server.workers.execution import RunOptions
from generator.shared.clock_watch import ClockWatch
from generator.shared.cron_times import UNREADABLE_TIMES, latest_time, next_time, times_after
from generator.shared.passing_errors import may_pass

_LONGEST_SLEEP = 2.0
"""Seconds after which a new schedule of another server, or a changed clock, is noticed."""
_PUNCTUAL = timedelta(seconds=60)
_STEP = timedelta(minutes=5)
"""A clock that is set back by less repeats no run."""
_MOST_COUNTED = 10_000
_UNFINISHED = (RunState.QUEUED, RunState.RUNNING)
_log = logging.getLogger(__name__)


def utc_now() -> datetime:
    """Return the time in UTC."""
    return datetime.now(timezone.utc)


class Scheduler:
    """Starts the runs of one server's schedules, in its event loop."""

    def __init__(
        self, context: Context, *, now: Callable[[], datetime] = utc_now, clock: ClockWatch | None = None
    ) -> None:
        self._context = context
        self._now = now
        self._clock = clock or ClockWatch(memory=context.data / "clock")
        self._is_checked = False

    async def work(self) -> None:
        """Start what is due, as long as the server runs."""
        while True:
            try:
                await self.check_times()
                await self.start_due_runs()
            except StoreUnavailableError:
                pass  # the store logs it
            except Exception:  # noqa: BLE001 - a database that does not answer now may answer later
                _log.exception("schedules cannot be read; another attempt follows")
            await asyncio.sleep(await self._seconds_to_sleep())

    async def check_times(self) -> None:
        """Compute times again at the start and after the clock was set back.

        Not while it is behind: once it is set, all schedules would be due.

        Raises:
            StoreUnavailableError: the database does not answer.
        """
        if self._clock.look() < 0:
            self._is_checked = False
        if not self._is_checked and not self._clock.is_behind:
            await self.bring_forward()
            self._is_checked = True

    async def start_due_runs(self) -> None:
        """Start a run for each schedule that is due and has none.

        Raises:
            StoreUnavailableError: the database does not answer.
        """
        now = self._now()
        for schedule in await self._context.stored(self._context.schedules.due, now):
            try:
                await self._start(schedule, now)
            except StoreUnavailableError:
                raise
            except Exception:  # noqa: BLE001 - others do not wait for a schedule that cannot be read
                _log.exception("schedule %s cannot be started; another attempt follows", schedule.id)

    async def bring_forward(self) -> None:
        """Compute the times again that were computed while the clock was ahead, and are too late by the present one."""
        now, schedules = self._now() + _STEP, self._context.schedules
        for schedule in await self._context.stored(schedules.list):
            if schedule.due is None or schedule.due <= now:
                continue
            following = _following(schedule, now)
            if following is not None and following < schedule.due:
                await self._context.stored(schedules.advance, schedule, due=following, problem=schedule.problem)

    async def _start(self, listed: Schedule, now: datetime) -> None:
        """Start the run of a schedule, unless it was paused, deleted or started since it was listed."""
        try:
            schedule = await self._context.stored(self._context.schedules.get, listed.id)
        except ScheduleMissingError:
            return
        if schedule.due is None or schedule.due > now or await self._has_unfinished_run(schedule):
            return
        problem = None
        try:
            self._context.access.check_owner(schedule.owner)
            run = await submit(self._context, self._submission(schedule, schedule.due, now), caller=None)
            await save(self._context, run)
        except ProblemError as error:
            if error.status in (429, 503):  # such as a full queue, or a notebook that cannot be read now
                await self._note_late(schedule, error.detail)
                return
            if error.kind != KEY_REUSED:  # another server has started the run, perhaps for an earlier time
                problem = f"{schedule.due:%Y-%m-%d %H:%M} UTC: {' '.join((error.detail, *error.issues))}"
        except (OSError, LookupError) as error:  # its time zone may be missing in a newer image
            if await self._has_other_values(schedule):
                return
            if isinstance(error, OSError) and may_pass(error):  # such as a full disk: the run is late, not lost
                await self._note_late(schedule, str(error.strerror))  # without a path, which is another one each time
                return
            problem = f"{schedule.due:%Y-%m-%d %H:%M} UTC: {error}"
        following = _following(schedule, now)
        await self._context.stored(self._context.schedules.advance, schedule, due=following, problem=problem)

    async def _note_late(self, schedule: Schedule, reason: str) -> None:
        """Store and log why a run cannot start now, once; its time stays, so that it is tried again."""
        problem = f"{schedule.due:%Y-%m-%d %H:%M} UTC, late: {reason}"
        if problem == schedule.problem:
            return
        _log.warning("schedule %s cannot be started now: %s; another attempt follows", schedule.id, reason)
        with suppress(StoreUnavailableError):  # the store logs it; others may start
            await self._context.stored(self._context.schedules.advance, schedule, due=schedule.due, problem=problem)

    async def _has_other_values(self, schedule: Schedule) -> bool:
        """Whether another server has replaced or removed the values since the schedule was read."""
        try:
            now = await self._context.stored(self._context.schedules.get, schedule.id)
        except ScheduleMissingError:
            return True
        return now.values != schedule.values

    async def _has_unfinished_run(self, schedule: Schedule) -> bool:
        chosen = RunFilter(schedule=schedule.id, states=_UNFINISHED, limit=1)
        return bool(await self._context.stored(self._context.store.list, chosen))

    def _submission(self, schedule: Schedule, due: datetime, now: datetime) -> Submission:
        context, times = self._context, _due_times(schedule, due, now)
        notebook = context.catalogue.get(schedule.process)
        options = {**schedule.run_options, "note": _note(times, now)}
        if context.home_of is not None:
            options["deliver"] = dated_name(notebook.path, times[-1].astimezone(ZoneInfo(schedule.time_zone)))
        of_time = time_values(schedule.time_parameters, notebook.interface, times[-1], schedule.time_zone)
        return Submission(
            notebook=notebook,
            inputs={**read_values(context.data, schedule), **of_time},
            owner=schedule.owner,
            protocol="schedule",
            options=RunOptions(**options),
            idempotency_key=f"schedule {schedule.id} {due.isoformat()}",
            schedule=schedule.id,
        )

    async def _seconds_to_sleep(self) -> float:
        first = None
        with suppress(Exception):  # the next attempt reports it
            first = await self._context.stored(self._context.schedules.first_due)
        until = _LONGEST_SLEEP if first is None else (first - self._now()).total_seconds()
        return min(max(until, 1.0), _LONGEST_SLEEP)


def _following(schedule: Schedule, now: datetime) -> datetime | None:
    """Return the next time of a schedule; None after the last one, or if its time zone is missing."""
    try:
        return next_time(now, schedule.cron, schedule.time_zone)
    except UNREADABLE_TIMES:
        return None


def _due_times(schedule: Schedule, due: datetime, now: datetime) -> list[datetime]:
    """Return the times that one run stands for: the one that is due, and those that were missed after it.

    Of very many, the first ones and the last one.
    """
    if now - due < _PUNCTUAL:
        return [due]
    later = takewhile(lambda time: time <= now, times_after(due, schedule.cron, schedule.time_zone))
    times = [due, *islice(later, _MOST_COUNTED)]
    if len(times) > _MOST_COUNTED:
        times[-1] = latest_time(times[-1], now, schedule.cron, schedule.time_zone)
    return times


def _note(missed: list[datetime], now: datetime) -> str | None:
    """Say that a run is late, and how many times it stands for."""
    due = missed[0]
    if now - due < _PUNCTUAL:
        return None
    if len(missed) == 1:
        return f"started late: due at {due:%Y-%m-%d %H:%M} UTC"
    count = len(missed) if len(missed) <= _MOST_COUNTED else f"more than {_MOST_COUNTED}"
    return f"started late: the one run for {count} missed times, from {due:%Y-%m-%d %H:%M} UTC on"
