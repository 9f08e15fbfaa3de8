"""The hooks API: create, change, test and delete hooks, and the log of deliveries.

Source: https://docs.gitlab.com/api/project_webhooks/
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse

from generator.service.api.descriptions import PAGES, queried, sent
from generator.service.api.hook_entities import delivery_entity, hook_entity
from generator.service.api.paging import page_of
from generator.service.api.parameters import read_parameters, text
from generator.service.context import context
from generator.service.hooks.sending import Outcome, check_address
from generator.service.http_errors import HttpError, raise_bad_parameter, raise_not_found
from generator.service.slow_requests import run_slowly, run_with_names
from generator.service.store.database import Row, despite_outages
from generator.service.store.outbox import JOB, PIPELINE, snapshot
from generator.shared.errors import UsageError
from generator.shared.safe_text import redacted
from generator.shared.setting_text import is_yes

router = APIRouter(prefix="/api/v4/projects/{project:int}/hooks")
_EVENTS = (PIPELINE, JOB)
_OPTIONAL = (*_EVENTS, "token", "enable_ssl_verification", "name", "description")
_UNSUPPORTED = ("custom_headers", "custom_webhook_template", "signing_token", "url_variables")
_CATEGORIES = {"successful": range(200, 300), "client_failure": range(400, 500), "server_failure": range(500, 600)}
_LONGEST_URL, _LONGEST_TOKEN, _LONGEST_NAME = 2048, 1024, 255


@router.get("", openapi_extra=queried(*PAGES))
def hooks_list(request: Request) -> Response:
    """List the hooks."""
    here = context(request)
    here.access.require_admin(request)
    page, found = page_of(request), here.hooks.all()
    shown = [hook_entity(hook, here.project.id) for hook in found[page.offset : page.offset + page.size]]
    return JSONResponse(shown, headers=page.headers(request, here.base(request), len(found)))


@router.post("", openapi_extra=sent(required=("url",), optional=_OPTIONAL))
async def create(request: Request) -> Response:
    """Create a hook."""
    given = await read_parameters(request)
    return await run_with_names(given, "url", _create, request, given)


def _create(request: Request, given: dict[str, Any]) -> Response:
    here = context(request)
    here.access.require_admin(request)
    made = create_hook(request, given)
    with despite_outages():
        return JSONResponse(hook_entity(find_hook(request, made), here.project.id), status_code=201)
    return JSONResponse({"id": made, "project_id": here.project.id}, status_code=201)


def create_hook(request: Request, given: Mapping[str, Any]) -> int:
    """Create a hook from the fields of a request, whose access the caller has checked; return its number.

    Raises:
        HttpError: 400 or 422, a field is missing or invalid, or there are too many hooks.
    """
    url = _url(request, given)
    events = [event for event, wanted in _events(given).items() if wanted]
    fields = {"name": None, "description": None, "verify": True, **_fields(given), "events": events}
    made = context(request).hooks.create(url=url, token=_short(given, "token", _LONGEST_TOKEN) or "", **fields)
    if made is None:
        raise HttpError(422, {"message": {"base": ["Maximum number of project webhooks (100) exceeded"]}})
    return made


@router.get("/{hook:int}")
def show(request: Request, hook: int) -> Response:
    """Return a hook, without its secret token."""
    here = context(request)
    here.access.require_admin(request)
    return JSONResponse(hook_entity(find_hook(request, hook), here.project.id))


@router.put("/{hook:int}", openapi_extra=sent(optional=("url", *_OPTIONAL)))
async def change(request: Request, hook: int) -> Response:
    """Change a hook; fields that are not given stay as they are."""
    given = await read_parameters(request)
    return await run_with_names(given, "url", _change, request, hook, given)


def _change(request: Request, number: int, given: dict[str, Any]) -> Response:
    here = context(request)
    here.access.require_admin(request)
    hook = find_hook(request, number)
    shown = redacted(_stored_secrets(request, hook)[0])
    url = None if given.get("url") in (None, shown) else _url(request, given)  # clients send back what they were shown
    token = (_short(given, "token", _LONGEST_TOKEN) or "") if "token" in given else None
    here.hooks.update(number, url=url, token=token, events=_events(given), **_fields(given))
    return JSONResponse(hook_entity(find_hook(request, number), here.project.id))


@router.delete("/{hook:int}")
def delete(request: Request, hook: int) -> Response:
    """Remove a hook with its log; events that wait are not delivered."""
    here = context(request)
    here.access.require_admin(request)
    find_hook(request, hook)
    here.hooks.delete(hook)
    return Response(status_code=204)


@router.get("/{hook:int}/events", openapi_extra=queried("status", *PAGES))
def events(request: Request, hook: int) -> Response:
    """List the deliveries of a hook in the last week, newest first."""
    here = context(request)
    here.access.require_admin(request)
    found, page = find_hook(request, hook), page_of(request)
    query = request.query_params
    chosen = [_statuses(one) for name in ("status", "status[]") for one in query.getlist(name) if one]
    statement = here.hooks.deliveries_of(hook, response_statuses=chosen)
    total, some = here.pipelines.count_and_page(statement, limit=page.size, offset=page.offset)
    shown = [delivery_entity(found, one, here.dispatcher) for one in some]
    return JSONResponse(shown, headers=page.headers(request, here.base(request), total))


def _statuses(text: str) -> range:
    """Return the statuses of responses that a filter means: those of a category, or one."""
    if text in _CATEGORIES:
        return _CATEGORIES[text]
    if not re.fullmatch(r"[1-5]\d\d", text):
        raise_bad_parameter("status does not have a valid value")
    return range(int(text), int(text) + 1)


@router.post("/{hook:int}/events/{event:int}/resend")
async def resend(request: Request, hook: int, event: int) -> Response:
    """Send an event of the log again, now and once."""
    return await run_slowly(_resend, request, hook, event)


def _resend(request: Request, hook: int, event: int) -> Response:
    here = context(request)
    here.access.require_admin(request)
    outcome = resend_event(request, hook, event)
    if outcome.error:
        raise HttpError(422, {"message": outcome.error})
    return JSONResponse({"response_status": outcome.status}, status_code=201)


def resend_event(request: Request, hook: int, event: int) -> Outcome:
    """Send an event of a hook's log again.

    Raises:
        HttpError: 404, the hook has no such event.
    """
    find_hook(request, hook)
    old = context(request).hooks.delivery(event)
    if old is None or old["hook_id"] != hook:
        raise_not_found()
    return _send(request, hook, old["event"], old["happened"])


@router.post("/{hook:int}/test/{trigger}")
async def test(request: Request, hook: int, trigger: str) -> Response:
    """Send an event about the latest pipeline."""
    return await run_slowly(_test, request, hook, trigger)


def _test(request: Request, hook: int, trigger: str) -> Response:
    context(request).access.require_admin(request)
    if trigger not in _EVENTS:
        raise_bad_parameter("trigger does not have a valid value")
    outcome = send_test(request, hook, trigger)
    if not outcome.delivered:
        raise HttpError(422, {"message": outcome.error or f"the receiver answered with status {outcome.status}"})
    return JSONResponse({"message": "201 Created"}, status_code=201)


def send_test(request: Request, hook: int, trigger: str) -> Outcome:
    """Send an event about the latest pipeline to a hook.

    Raises:
        HttpError: 404 without the hook, 422 without a pipeline.
    """
    here = context(request)
    find_hook(request, hook)
    latest = here.pipelines.latest(None)
    if latest is None:
        raise HttpError(422, {"message": "Ensure the project has CI pipelines."})
    mine = here.pipelines.jobs_of(latest["id"])
    if not mine:  # it was deleted meanwhile
        raise HttpError(422, {"message": "Ensure the project has CI pipelines."})
    return _send(request, hook, trigger, snapshot(latest, mine, job=mine[-1]["id"]))


def _send(request: Request, hook: int, event: str, happened: Mapping[str, Any]) -> Outcome:
    here = context(request)
    try:
        delivery = here.hooks.delivery(here.hooks.add_delivery(hook, event, happened, pending=False))
    except LookupError:
        delivery = None
    if delivery is None:  # the hook was deleted meanwhile
        raise_not_found()
    return here.dispatcher.deliver(delivery)


def find_hook(request: Request, number: int) -> Row:
    """Return a hook.

    Raises:
        HttpError: 404, it does not exist.
    """
    found = context(request).hooks.get(number)
    if found is None or found["pipeline_id"] or found["schedule_id"]:
        raise_not_found()
    return found


def _stored_secrets(request: Request, hook: Row) -> tuple[str, str]:
    try:
        return context(request).hooks.secrets(hook)
    except UsageError:
        return "", ""


def _url(request: Request, given: Mapping[str, Any]) -> str:
    """Return the address of a hook, if events may be sent there.

    Raises:
        HttpError: 400 or 422, the address is missing, invalid, or refused by the policy.
    """
    url = text(given, "url").strip()
    if len(url) > _LONGEST_URL:
        raise HttpError(422, {"message": {"url": [f"is longer than {_LONGEST_URL} characters"]}})
    try:
        check_address(context(request).dispatcher.policy, url)
    except UsageError as error:
        raise HttpError(422, {"message": {"url": [str(error)]}}) from None
    return url


def _events(given: Mapping[str, Any]) -> dict[str, bool]:
    return {event: _flag(given, event) for event in _EVENTS if event in given}


def _fields(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the given fields other than address, token and events."""
    for name in _UNSUPPORTED:
        if given.get(name):
            raise_bad_parameter(f"{name} is not supported")
    fields: dict[str, Any] = {}
    if "enable_ssl_verification" in given:
        fields["verify"] = _flag(given, "enable_ssl_verification")
    return fields | {name: _short(given, name, _LONGEST_NAME) for name in ("name", "description") if name in given}


def _flag(given: Mapping[str, Any], name: str) -> bool:
    value = given[name]
    if not isinstance(value, bool) and value not in ("true", "false", "1", "0", "yes", "no", 0, 1):
        raise_bad_parameter(f"{name} is invalid")
    return is_yes(str(value))


def _short(given: Mapping[str, Any], name: str, longest: int) -> str | None:
    """Return an optional text that fits into one line and, as the token, into a header."""
    value = given.get(name)
    if value is None:
        return None
    if not isinstance(value, str) or not value.isprintable() or (name == "token" and not value.isascii()):
        raise_bad_parameter(f"{name} is invalid")
    if len(value) > longest:
        raise_bad_parameter(f"{name} is too long (maximum is {longest} characters)")
    return value
