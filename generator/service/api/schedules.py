"""The schedules API: pipelines at the times of cron expressions.

Source: https://docs.gitlab.com/api/pipeline_schedules/
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import sqlalchemy as sa
from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse
from starlette.concurrency import run_in_threadpool

from generator.service.api.descriptions import PAGES, queried, sent
from generator.service.api.entities import entities_of
from generator.service.api.paging import page_of
from generator.service.api.parameters import read_parameters, refuse_parameters, text, variable_list
from generator.service.api.schedule_entities import schedule_entity, whole_schedule
from generator.service.context import context
from generator.service.http_errors import HttpError, raise_bad_parameter, raise_forbidden, raise_not_found
from generator.service.schedules.checks import FieldError, check_fields, package_job
from generator.service.schedules.creation import create_schedule
from generator.service.schedules.notification import change_notification, checked_target, shown_url
from generator.service.schedules.starter import start_now
from generator.service.slow_requests import run_with_names
from generator.service.store.database import Row, despite_outages, pipelines
from generator.shared.errors import UsageError
from generator.shared.setting_text import is_yes

router = APIRouter(prefix="/api/v4/projects/{project:int}/pipeline_schedules")
_TEXTS = ("description", "ref", "cron", "cron_timezone")
_NOTIFY = ("notify_url", "notify_token")
_Change = Callable[[list[dict[str, Any]]], list[dict[str, Any]]]
"""Returns the variables of a schedule as they are to be."""
_SCOPES = {"active": True, "inactive": False}


@router.get("", openapi_extra=queried("scope", *PAGES))
def schedules_list(request: Request) -> Response:
    """List the schedules."""
    here = context(request)
    here.access.require_reader(request)
    scope = request.query_params.get("scope", "")
    if scope and scope not in _SCOPES:
        raise_bad_parameter("scope does not have a valid value")
    page, found, entities = page_of(request), here.schedules.all(active=_SCOPES.get(scope)), entities_of(request)
    shown = [schedule_entity(one, entities) for one in found[page.offset : page.offset + page.size]]
    return JSONResponse(shown, headers=page.headers(request, entities.address, len(found)))


@router.post("", openapi_extra=sent(required=_TEXTS[:3], optional=("cron_timezone", "active", "variables", *_NOTIFY)))
async def create(request: Request) -> Response:
    """Create a schedule."""
    given = await read_parameters(request)
    return await run_with_names(given, "notify_url", _create, request, given)


def _create(request: Request, given: dict[str, Any]) -> Response:
    here = context(request)
    user = here.access.require_writer(request)
    refuse_parameters(given, "inputs")
    texts = {name: text(given, name) for name in _TEXTS[:3]}
    fields = _checked(request, {"cron_timezone": "UTC", **_texts(given), **texts})
    variables, target = variable_list(given), _target(request, given)
    is_active = _flag(given, "active", default=True)
    made = create_schedule(here, variables, user=user, target=target, active=is_active, **fields)
    if made is None:
        raise HttpError(400, {"message": {"base": ["Maximum number of pipeline schedules exceeded"]}})
    with despite_outages():
        return _response(request, made, status=201)
    return JSONResponse({"id": made, **fields, "active": is_active}, status_code=201)


@router.get("/{schedule:int}")
def show(request: Request, schedule: int) -> Response:
    """Return a schedule, with its variables for those who may change it."""
    context(request).access.require_reader(request)
    return _response(request, schedule)


@router.put("/{schedule:int}", openapi_extra=sent(optional=(*_TEXTS, "active", *_NOTIFY)))
async def change(request: Request, schedule: int) -> Response:
    """Change a schedule; fields that are not given stay as they are."""
    given = await read_parameters(request)
    return await run_with_names(given, "notify_url", _change, request, schedule, given)


def _change(request: Request, number: int, given: dict[str, Any]) -> Response:
    here = context(request)
    _find_own(request, number)
    refuse_parameters(given, "inputs")
    refuse_parameters(given, "variables", advice="change them one by one, at /variables of the schedule")
    fields: dict[str, Any] = dict(_checked(request, _texts(given)))
    url, token = _target(request, given) or ("", "")
    if given.get("active") is not None:
        fields["active"] = _flag(given, "active", default=True)
    if "notify_url" in given:
        fields["within"] = change_notification(here, number, url, token)
    here.schedules.update(number, **fields)
    return _response(request, number)


@router.delete("/{schedule:int}")
def delete(request: Request, schedule: int) -> Response:
    """Remove a schedule; its pipelines stay."""
    _find_own(request, schedule)
    context(request).schedules.delete(schedule)
    return Response(status_code=204)


@router.post("/{schedule:int}/take_ownership")
def take_ownership(request: Request, schedule: int) -> Response:
    """Let a schedule's pipelines run as the user of this request."""
    here = context(request)
    user = here.access.require_writer(request)
    here.schedules.update(_find_own(request, schedule)["id"], user=user.name, user_id=user.id)
    return _response(request, schedule, status=201)


@router.post("/{schedule:int}/play")
def play(request: Request, schedule: int) -> Response:
    """Start a schedule's pipeline now; its next time stays."""
    here = context(request)
    user = here.access.require_writer(request)
    try:
        start_now(here, _find(request, schedule), user)
    except UsageError as error:
        raise HttpError(400, {"message": {"base": [str(error)]}}) from None
    return JSONResponse({"message": "201 Created"}, status_code=201)


@router.get("/{schedule:int}/pipelines", openapi_extra=queried(*PAGES))
def pipelines_list(request: Request, schedule: int) -> Response:
    """List the pipelines that a schedule has started, oldest first."""
    here = context(request)
    here.access.require_reader(request)
    _find(request, schedule)
    page, entities = page_of(request), entities_of(request)
    statement = sa.select(pipelines).where(pipelines.c.schedule_id == schedule).order_by(pipelines.c.id)
    total, found = here.pipelines.count_and_page(statement, limit=page.size, offset=page.offset)
    headers = page.headers(request, entities.address, total)
    return JSONResponse([entities.brief(one) for one in found], headers=headers)


@router.post("/{schedule:int}/variables", openapi_extra=sent(required=("key", "value"), optional=("variable_type",)))
async def create_variable(request: Request, schedule: int) -> Response:
    """Add a variable to a schedule."""
    given = await read_parameters(request)
    return await run_in_threadpool(_create_variable, request, schedule, given)


def _create_variable(request: Request, number: int, given: dict[str, Any]) -> Response:
    _find_own(request, number)
    key = text(given, "key")

    def add(variables: list[dict[str, Any]]) -> list[dict[str, Any]]:
        if any(one["key"] == key for one in variables):
            raise HttpError(400, {"message": {"variables": [f"have duplicate values ({key})"]}})
        return _with(variables, key, given)

    return _change_variables(request, number, key, add, status=201)


@router.put("/{schedule:int}/variables/{key}", openapi_extra=sent(optional=("value", "variable_type")))
async def change_variable(request: Request, schedule: int, key: str) -> Response:
    """Change a variable of a schedule."""
    given = await read_parameters(request)
    return await run_in_threadpool(_change_variable, request, schedule, key, given)


def _change_variable(request: Request, number: int, key: str, given: dict[str, Any]) -> Response:
    _find_own(request, number)
    return _change_variables(
        request, number, key, lambda variables: _with(_without(variables, key), key, given), status=200
    )


@router.delete("/{schedule:int}/variables/{key}")
def delete_variable(request: Request, schedule: int, key: str) -> Response:
    """Remove a variable of a schedule."""
    found = _find_own(request, schedule)
    _store_variables(request, schedule, lambda variables: _without(variables, key))
    shown = next((one for one in found["variables"] if one["key"] == key), None)
    if shown is None:
        raise_not_found("Variable")
    return JSONResponse(shown, status_code=202)


def _with(others: list[dict[str, Any]], key: str, given: Mapping[str, Any]) -> list[dict[str, Any]]:
    one = {"key": key, "value": given.get("value", ""), "variable_type": given.get("variable_type") or "env_var"}
    return variable_list({"variables": [*others, one]})


def _change_variables(request: Request, number: int, key: str, change: _Change, *, status: int) -> Response:
    """Change the variables of a schedule; return the one with a key."""
    _store_variables(request, number, change)
    found = _find(request, number)
    shown = next((one for one in found["variables"] if one["key"] == key), None)
    if shown is None:  # another request removed it meanwhile
        raise_not_found("Variable")
    return JSONResponse(shown, status_code=status)


def _without(variables: list[dict[str, Any]], key: str) -> list[dict[str, Any]]:
    """Return the other variables.

    Raises:
        HttpError: 404, there is no such variable.
    """
    if all(one["key"] != key for one in variables):
        raise_not_found("Variable")
    return [one for one in variables if one["key"] != key]


def _store_variables(request: Request, number: int, change: _Change) -> None:
    try:
        context(request).schedules.change_variables(number, change, package_of=package_job)
    except UsageError as error:
        raise HttpError(400, {"message": {"base": [str(error)]}}) from None


def _find(request: Request, number: int) -> Row:
    found = context(request).schedules.get(number)
    if found is None:
        raise_not_found("Pipeline Schedule")
    return found


def _find_own(request: Request, number: int) -> Row:
    """Return a schedule that the request's token may change: its own, or any for the role ``admin``.

    Raises:
        HttpError: 403, the token may only read, or the schedule is another token's; 404, there is no such schedule.
    """
    user = context(request).access.require_writer(request)
    found = _find(request, number)
    if not user.may_change_of(found["user_id"]):
        raise_forbidden("The schedule is another token's")
    return found


def _response(request: Request, number: int, *, status: int = 200) -> Response:
    here = context(request)
    found = _find(request, number)
    notified = next(map(shown_url, here.hooks.notifications(schedule=number)), None)
    last = here.pipelines.get(found["last_pipeline"]) if found["last_pipeline"] else None
    may_change = here.access.require_reader(request).may_change_of(found["user_id"])
    shown = whole_schedule(found, last, entities_of(request), with_variables=may_change)
    return JSONResponse({**shown, **({"notify_url": notified} if may_change else {})}, status_code=status)


def _target(request: Request, given: Mapping[str, Any]) -> tuple[str, str] | None:
    try:
        return checked_target(context(request), {name: str(given[name] or "") for name in _NOTIFY if name in given})
    except FieldError as error:
        raise HttpError(400, {"message": {error.field: [error.message]}}) from None


def _texts(given: Mapping[str, Any]) -> dict[str, str]:
    return {name: text(given, name) for name in _TEXTS if name in given}


def _checked(request: Request, texts: Mapping[str, str]) -> dict[str, str]:
    try:
        return check_fields(context(request).project, texts)
    except FieldError as error:
        raise HttpError(400, {"message": {error.field: [error.message]}}) from None


def _flag(given: Mapping[str, Any], name: str, *, default: bool) -> bool:
    value = given.get(name)
    if value is None:
        return default
    if not isinstance(value, bool) and value not in ("true", "false", "1", "0", 0, 1):
        raise_bad_parameter(f"{name} is invalid")
    return is_yes(str(value))
