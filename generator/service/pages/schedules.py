"""The pages of schedules: all of them, one with its pipelines, and the forms that make and change one."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import datetime, timezone
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse
from starlette.concurrency import run_in_threadpool

from generator.service.api.parameters import read_parameters, variable_map
from generator.service.context import Context, context
from generator.service.http_errors import HttpError, error_text, raise_not_found
from generator.service.pages.badges import pipeline_status
from generator.service.pages.rendering import page
from generator.service.pages.run_submission import InvalidFormError, form_target
from generator.service.pages.sessions import Session, check_writer_form, session
from generator.service.pages.submissions import submit_once
from generator.service.pages.summaries import requested_variables, summarize
from generator.service.runs.recording import run_record
from generator.service.schedules.checks import FieldError, check_fields
from generator.service.schedules.creation import create_schedule
from generator.service.schedules.notification import change_notification, shown_url
from generator.service.schedules.starter import start_now
from generator.service.slow_requests import run_with_names
from generator.service.store import states
from generator.service.store.database import Row, despite_outages, pipelines, rows
from generator.service.store.runs import RunRecord
from generator.shared.cron_times import UNREADABLE_TIMES, upcoming
from generator.shared.errors import UsageError

router = APIRouter(prefix="/schedules")
_FIELDS = ("description", "cron", "cron_timezone", "ref")
_MOST_PIPELINES, _NEXT = 20, 5
_Actions = dict[str, Callable[[Context, Row, Session], str]]


@router.get("")
def schedules_page(request: Request) -> Response:
    """List the schedules."""
    here, who = context(request), session(request)
    listed = []
    for one in here.schedules.all():
        last = here.pipelines.get(one["last_pipeline"]) if one["last_pipeline"] else None
        summary = summarize(one, (), here.data, with_values=who.identity.may_change_of(one["user_id"]))
        listed.append({**one, "last": last and _with_word(here, last), "summary": summary})
    return page(request, "schedules.html", who, schedules=listed)


@router.get("/new")
def new_page(request: Request) -> Response:
    """Show the form that makes a schedule of a pipeline."""
    return _form(request, {"cron_timezone": "UTC", "ref": context(request).project.default_branch}, {})


@router.post("/new")
async def create(request: Request) -> Response:
    """Make a schedule."""
    given = await read_parameters(request)
    return await submit_once(request, given, partial(run_with_names, given, "notify_url", _create, request, given))


def _create(request: Request, given: dict[str, Any]) -> Response:
    here, who = context(request), check_writer_form(request, given)
    texts = {name: str(value) for name, value in given.items()}
    try:
        fields, target = _checked(here, {**dict.fromkeys(_FIELDS, ""), **texts}), form_target(here, texts)
        variables = _variables(texts.get("variables", ""))
    except InvalidFormError as error:
        return _form(request, texts, error.wrong, message=error.message, status=400)
    made = create_schedule(here, variables, user=who.identity, target=target, active=True, **fields)
    if made is None:
        return _form(request, texts, {}, message="There are too many schedules. Delete one.", status=400)
    return _to(here, made)


def _form(
    request: Request, given: Mapping[str, str], wrong: Mapping[str, str], *, message: str = "", status: int = 200
) -> Response:
    who = session(request)
    return page(request, "schedule_new.html", who, status=status, given=given, wrong=wrong, message=message)


@router.get("/{number:int}")
def schedule_page(request: Request, number: int) -> Response:
    """Show a schedule: its next times, its pipelines, and the form that changes it."""
    return _page(request, number, {}, {})


def _page(
    request: Request, number: int, given: Mapping[str, str], wrong: Mapping[str, str], *, message: str = "",
    status: int = 200,
) -> Response:  # fmt: skip
    here, who, found = context(request), session(request), _find(request, number)
    statement = sa.select(pipelines).where(pipelines.c.schedule_id == number)
    with here.pipelines.database.connection() as connection:
        mine = rows(connection, statement.order_by(pipelines.c.id.desc()).limit(_MOST_PIPELINES))
    shown = {**found, "notify_url": next(map(shown_url, here.hooks.notifications(schedule=number)), "")}
    return page(
        request,
        "schedule.html",
        who,
        status=status,
        schedule=found,
        given=given or shown,
        wrong=wrong,
        message=message,
        times=[(one.strftime("%a %Y-%m-%d %H:%M"), one.timestamp()) for one in _next_times(found)],
        package=_package(here, found),
        pipelines=[_with_word(here, one) for one in mine],
        runs=here.runs.of_pipelines([one["id"] for one in mine]),
        requested=requested_variables(found),
    )


def _next_times(schedule: Row) -> list[datetime]:
    """Return the next times in the zone of a schedule; only the first, in UTC, if this machine lacks the zone."""
    if not schedule["next_run_at"]:
        return []
    first = datetime.fromtimestamp(schedule["next_run_at"], timezone.utc)
    try:
        zone = ZoneInfo(schedule["cron_timezone"])
        times = upcoming(first, schedule["cron"], schedule["cron_timezone"], count=_NEXT)
    except UNREADABLE_TIMES:
        return [first]
    return [one.astimezone(zone) for one in times]


def _package(here: Context, schedule: Row) -> RunRecord | None:
    """Return the package that a schedule runs, with the readable values; None if it runs none that exists."""
    try:
        return run_record(here.data, here.schedules.variables(schedule))
    except UsageError:
        return None


def _with_word(here: Context, pipeline: Row) -> dict[str, Any]:
    mine = [dict(job) for job in here.pipelines.jobs_of(pipeline["id"], with_retried=False)]
    seconds = states.pipeline_seconds(pipeline, mine)
    return {**pipeline, "word": pipeline_status(pipeline["status"], mine), "seconds": seconds}


@router.post("/{number:int}")
async def change(request: Request, number: int) -> Response:
    """Change a schedule's times, description and notification."""
    given = await read_parameters(request)
    return await run_with_names(given, "notify_url", _change, request, number, given)


def _change(request: Request, number: int, given: dict[str, Any]) -> Response:
    here, who = context(request), check_writer_form(request, given)
    _find_own(request, number, who)
    texts = {name: str(value) for name, value in given.items()}
    try:
        fields, target = _checked(here, texts), form_target(here, texts)
    except InvalidFormError as error:
        return _page(request, number, texts, error.wrong, message=error.message, status=400)
    here.schedules.update(number, **fields, within=change_notification(here, number, *(target or ("", ""))))
    return _to(here, number)


@router.post("/{number:int}/{action}")
async def act(request: Request, number: int, action: str) -> Response:
    """Pause, resume, run, take over or delete a schedule; others than its owner and admins can only run it."""
    given = await read_parameters(request)

    def run() -> Response:
        here, who = context(request), check_writer_form(request, given)
        if action not in _ACTIONS:
            raise_not_found()
        found = _find(request, number) if action == "run" else _find_own(request, number, who)
        try:
            return RedirectResponse(_ACTIONS[action](here, found, who), status_code=303)
        except (HttpError, UsageError) as error:
            text = error_text(error) if isinstance(error, HttpError) else str(error)
            return _page(request, number, {}, {}, message=text, status=400)

    return await submit_once(request, given, partial(run_in_threadpool, run))


def _pause(here: Context, schedule: Row, _who: Session) -> str:
    here.schedules.update(schedule["id"], active=False)
    return _address(here, schedule["id"])


def _resume(here: Context, schedule: Row, _who: Session) -> str:
    here.schedules.update(schedule["id"], active=True)
    return _address(here, schedule["id"])


def _run(here: Context, schedule: Row, who: Session) -> str:
    made = start_now(here, schedule, who.identity)
    with despite_outages():
        return f"/{here.project.path}/-/{'runs' if here.runs.get(made) else 'pipelines'}/{made}"
    return f"/{here.project.path}/-/pipelines/{made}"


def _take_over(here: Context, schedule: Row, who: Session) -> str:
    here.schedules.update(schedule["id"], user=who.identity.name, user_id=who.identity.id)
    return _address(here, schedule["id"])


def _delete(here: Context, schedule: Row, _who: Session) -> str:
    here.schedules.delete(schedule["id"])
    return f"/{here.project.path}/-/schedules"


_ACTIONS: _Actions = {"pause": _pause, "resume": _resume, "run": _run, "take-over": _take_over, "delete": _delete}


def _checked(here: Context, texts: Mapping[str, str]) -> dict[str, str]:
    given = {name: texts[name].strip() for name in _FIELDS if name in texts}
    if not given.get("description"):
        raise InvalidFormError("The schedule is invalid.", {"description": "a description is required"})
    try:
        return check_fields(here.project, given)
    except FieldError as error:
        raise InvalidFormError("The schedule is invalid.", {error.field: error.message}) from None


def _variables(text: str) -> list[dict[str, Any]]:
    """Return variables from lines ``NAME=value``."""
    found = {}
    for line in filter(str.strip, text.replace("\r\n", "\n").split("\n")):
        name, equals, value = line.strip().partition("=")
        if not equals or not re.fullmatch(r"\w{1,255}", name, re.ASCII):
            raise InvalidFormError("The variables are invalid.", {"variables": f"{line[:80]} is not NAME=value"})
        found[name] = value
    try:
        return variable_map({"variables": found})
    except HttpError as error:
        raise InvalidFormError("The variables are invalid.", {"variables": error_text(error)}) from None


def _find(request: Request, number: int) -> Row:
    found = context(request).schedules.get(number)
    if found is None:
        raise_not_found()
    return found


def _find_own(request: Request, number: int, who: Session) -> Row:
    found = _find(request, number)
    if not who.identity.may_change_of(found["user_id"]):
        raise HttpError(403, {"message": "This schedule is another token's. Tokens with the role admin may change it."})
    return found


def _address(here: Context, number: int) -> str:
    return f"/{here.project.path}/-/schedules/{number}"


def _to(here: Context, number: int) -> Response:
    return RedirectResponse(_address(here, number), status_code=303)
