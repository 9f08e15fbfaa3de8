"""Schedules as clients see and change them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfoNotFoundError

from generator.runner.server.access import Identity
from generator.runner.server.catalogue import ServedNotebook
from generator.runner.server.context import Context
from generator.runner.server.problems import ProblemError
from generator.runner.server.runs.model import Run
from generator.runner.server.runs.store import RunFilter, StoreUnavailableError
from generator.runner.server.schedules.model import Schedule, new_schedule_id, schedule_options
from generator.runner.server.schedules.scheduler import utc_now
from generator.runner.server.schedules.store import ScheduleMissingError
from generator.runner.server.schedules.time_parameters import check_formats, time_values
from generator.runner.server.schedules.times import check_expression, check_time_zone
from generator.runner.server.schedules.values import read_values, remove_values, remove_version, write_values
from generator.runner.server.submission import check
from generator.shared.cron_times import UNREADABLE_TIMES, next_time, upcoming

_MOST, _SHARE = 1000, 250
"""Schedules of a server, and those of one token that sees no others."""
_LONGEST_TITLE = 200
_SHOWN = 5
"""Next times and last runs that are shown."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ScheduleChange:
    """What a client sets of a schedule; None leaves it as it is."""

    notebook: str | None = None
    parameters: Mapping[str, Any] | None = None
    cron: str | None = None
    time_zone: str | None = None
    title: str | None = None
    paused: bool | None = None
    time_parameters: Mapping[str, str] | None = None
    options: Mapping[str, Any] | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class ScheduleView:
    """A schedule with its next times (UTC) and its last runs, newest first."""

    schedule: Schedule
    upcoming: tuple[datetime, ...]
    runs: tuple[Run, ...]


async def list_schedules(context: Context, identity: Identity) -> tuple[ScheduleView, ...]:
    """Return the schedules that a caller sees, oldest first."""
    schedules = await context.stored(context.schedules.list)
    return tuple([await _view(context, schedule) for schedule in schedules if _sees(identity, schedule)])


async def show_schedule(context: Context, schedule_id: str, identity: Identity) -> ScheduleView:
    """Return a schedule.

    Raises:
        ScheduleMissingError: the caller sees no schedule of this id.
    """
    return await _view(context, await _find(context, schedule_id, identity))


async def create_schedule(context: Context, change: ScheduleChange, identity: Identity) -> ScheduleView:
    """Create a schedule.

    Raises:
        ProblemError: 400 or 404 if it could not run, 409 if there are too many, or as `Access.confirm`.
    """
    context.access.confirm(identity, "run")
    _check_number(await context.stored(context.schedules.list), identity)
    empty = Schedule(id=new_schedule_id(), process="", cron="", owner=identity.name, created=utc_now())
    values = dict(change.parameters or {})
    schedule = _changed(context, empty, change, values)
    schedule = schedule.with_values(write_values(context.data, schedule.id, values))
    try:
        await context.stored(context.schedules.add, schedule)
    except BaseException as error:
        _remove_refused(context, schedule, error)
        raise
    return _view_of(schedule, ())  # nothing is read that can fail: a client that gets 503 creates another schedule


def _check_number(schedules: Sequence[Schedule], identity: Identity) -> None:
    if identity.owner is not None and sum(_sees(identity, schedule) for schedule in schedules) >= _SHARE:
        raise ProblemError(409, f"this token has {_SHARE} schedules, which is its limit; delete one")
    if len(schedules) >= _MOST:
        advice = "delete one" if identity.owner is None else "delete one, or ask those who run the server"
        raise ProblemError(409, f"there are {_MOST} schedules, which is the limit; {advice}")


async def change_schedule(
    context: Context, schedule_id: str, change: ScheduleChange, identity: Identity
) -> ScheduleView:
    """Change a schedule; its next time is computed again if the expression, the zone or the pause changes.

    Raises:
        ScheduleMissingError: the caller may change no schedule of this id.
        ProblemError: 400 or 404, it could not run any more, or as `Access.confirm`.
    """
    context.access.confirm(identity, "run")
    is_replaced = False
    while not is_replaced:  # if the scheduler or another request changes it meanwhile, their change is kept
        before = await _find(context, schedule_id, identity)
        try:
            schedule, values = _changed_with_values(context, before, change)
        except ZoneInfoNotFoundError:
            raise ProblemError(400, f"time_zone: this server has no {before.time_zone!r}; choose another") from None
        if change.parameters is not None:
            schedule = schedule.with_values(write_values(context.data, schedule_id, values))
        try:
            is_replaced = await context.stored(context.schedules.replace, schedule, before=before)
        except BaseException as error:
            if schedule.values != before.values:
                _remove_refused(context, schedule, error)
            raise
        if schedule.values != before.values:
            remove_version(context.data, schedule_id, before.values if is_replaced else schedule.values)
    return await _view(context, schedule)


def _changed_with_values(
    context: Context, before: Schedule, change: ScheduleChange
) -> tuple[Schedule, Mapping[str, Any]]:
    """Return a changed schedule and its values; a pause needs neither them nor the notebook."""
    if change == ScheduleChange(paused=True):
        return replace(before, paused=True, due=None, problem=None), {}
    values = dict(read_values(context.data, before) if change.parameters is None else change.parameters)
    return _changed(context, before, change, values), values


def _remove_refused(context: Context, schedule: Schedule, error: BaseException) -> None:
    """Remove the values of a row that the store refused; the answer of a database elsewhere may only be lost."""
    if not (context.store.blocking and isinstance(error, StoreUnavailableError)):
        remove_version(context.data, schedule.id, schedule.values)


async def delete_schedule(context: Context, schedule_id: str, identity: Identity) -> None:
    """Delete a schedule; its runs stay.

    Raises:
        ScheduleMissingError: the caller may change no schedule of this id.
    """
    await _find(context, schedule_id, identity)
    await context.stored(context.schedules.remove, schedule_id)
    remove_values(context.data, schedule_id)


def _changed(context: Context, before: Schedule, change: ScheduleChange, values: Mapping[str, Any]) -> Schedule:
    notebook = context.catalogue.get(before.process if change.notebook is None else change.notebook)
    formats = before.time_parameters if change.time_parameters is None else check_formats(change.time_parameters)
    time_zone = before.time_zone if change.time_zone is None else check_time_zone(change.time_zone)
    if change.notebook is not None or change.parameters is not None or change.time_parameters is not None:
        _check_values(context, notebook, values, time_values(formats, notebook.interface, utc_now(), time_zone))
    after = replace(
        before,
        process=notebook.path,
        cron=before.cron if change.cron is None else check_expression(change.cron),
        time_zone=time_zone,
        title=before.title if change.title is None else _check_title(change.title),
        paused=before.paused if change.paused is None else change.paused,
        options=schedule_options(
            before.run_options if change.options is None else change.options, formats, values=before.values
        ),
        problem=None,
    )
    if after.paused:
        return replace(after, due=None)
    same = (before.cron, before.time_zone, before.paused) == (after.cron, after.time_zone, after.paused)
    return after if same else replace(after, due=next_time(utc_now(), after.cron, after.time_zone))


def _check_values(
    context: Context, notebook: ServedNotebook, values: Mapping[str, Any], of_time: Mapping[str, Any]
) -> None:
    """Check the values of a schedule's runs.

    Raises:
        ProblemError: 400, with each that does not fit, or that is given twice.
    """
    twice = [f"{name}: is both in parameters and in time_parameters" for name in values if name in of_time]
    if twice:
        raise ProblemError(400, "the schedule is not valid", issues=twice)
    check(context, notebook, {**values, **of_time})


def _check_title(title: str) -> str:
    """Return a title.

    Raises:
        ProblemError: 400, it is too long, or not printable.
    """
    if len(title) > _LONGEST_TITLE or not title.isprintable():
        raise ProblemError(400, f"title: write one line of at most {_LONGEST_TITLE} printable characters")
    return title


async def _find(context: Context, schedule_id: str, identity: Identity) -> Schedule:
    schedule = await context.stored(context.schedules.get, schedule_id)
    if not _sees(identity, schedule):
        raise ScheduleMissingError(schedule_id)
    return schedule


def _sees(identity: Identity, schedule: Schedule) -> bool:
    return identity.owner is None or schedule.owner == identity.owner


async def _view(context: Context, schedule: Schedule) -> ScheduleView:
    return _view_of(schedule, await context.stored(context.store.list, RunFilter(schedule=schedule.id, limit=_SHOWN)))


def _view_of(schedule: Schedule, runs: tuple[Run, ...]) -> ScheduleView:
    try:
        times = upcoming(schedule.due, schedule.cron, schedule.time_zone, count=_SHOWN)
    except UNREADABLE_TIMES:  # a newer image may not have the time zone
        times = ()
    return ScheduleView(schedule=schedule, upcoming=times, runs=runs)
