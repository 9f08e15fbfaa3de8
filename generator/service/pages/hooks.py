"""The pages of hooks: list, add, test and delete them, and read what was delivered."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from generator.service.api.hook_entities import delivery_entity, hook_entity
from generator.service.api.hooks import create_hook, find_hook, resend_event, send_test
from generator.service.api.parameters import read_parameters
from generator.service.context import context
from generator.service.http_errors import HttpError, error_text
from generator.service.pages.rendering import page
from generator.service.pages.sessions import Session, check_form, require_admin
from generator.service.pages.submissions import submit_once
from generator.service.slow_requests import run_slowly, run_with_names
from generator.service.store.database import Row
from generator.service.store.outbox import JOB, PIPELINE

router = APIRouter(prefix="/hooks")
_MOST_SHOWN = 50
_LONGEST_BODY = 20_000


@router.get("")
def hooks_page(request: Request) -> Response:
    """List the hooks, each with its latest delivery, and show the form for another one."""
    return _list(request, require_admin(request), given={PIPELINE: "yes"})


@router.post("")
async def add(request: Request) -> Response:
    """Add a hook."""
    given = await read_parameters(request)
    return await submit_once(request, given, partial(run_with_names, given, "url", _add, request, given))


@router.get("/{hook:int}")
def hook_page(request: Request, hook: int) -> Response:
    """Show a hook and its latest deliveries."""
    return _show(request, require_admin(request), hook)


@router.post("/{hook:int}/test/{trigger}")
async def test(request: Request, hook: int, trigger: str) -> Response:
    """Send an event about the latest pipeline."""
    event = JOB if trigger == JOB else PIPELINE
    return await _act(request, hook, lambda: send_test(request, hook, event))


@router.post("/{hook:int}/events/{event:int}/resend")
async def resend(request: Request, hook: int, event: int) -> Response:
    """Send an event again."""
    return await _act(request, hook, lambda: resend_event(request, hook, event))


@router.post("/{hook:int}/delete")
async def delete(request: Request, hook: int) -> Response:
    """Delete a hook with its deliveries."""
    return await _act(request, hook, lambda: context(request).hooks.delete(hook), target="")


def _add(request: Request, given: dict[str, Any]) -> Response:
    who = _check_form(request, given)
    texts = {name: given.get(name) for name in ("url", "name", "token") if given.get(name)}
    flags = {event: bool(given.get(event)) for event in (PIPELINE, JOB)}
    if not any(flags.values()):
        return _list(request, who, given=given, wrong="Choose pipelines, jobs or both.", status=400)
    try:
        made = create_hook(request, {**texts, **flags, "enable_ssl_verification": not given.get("unverified")})
    except HttpError as error:
        return _list(request, who, given=given, wrong=error_text(error), status=error.status)
    return RedirectResponse(f"{_home(request)}/{made}", status_code=303)


async def _act(request: Request, hook: int, action: Callable[[], object], *, target: str | None = None) -> Response:
    """Do something with a hook, then show it, or the list if ``target`` is empty."""
    given = await read_parameters(request)

    def act() -> Response:
        who = _check_form(request, given)
        find_hook(request, hook)
        try:
            action()
        except HttpError as error:
            return _show(request, who, hook, wrong=error_text(error), status=error.status)
        place = _home(request) if target == "" else f"{_home(request)}/{hook}"
        return RedirectResponse(place, status_code=303)

    return await submit_once(request, given, partial(run_slowly, act))  # it may wait for the receiver


def _check_form(request: Request, given: dict[str, Any]) -> Session:
    check_form(request, given)
    return require_admin(request)


def _home(request: Request) -> str:
    return f"/{context(request).project.path}/-/hooks"


def _list(request: Request, who: Session, *, given: dict[str, Any], wrong: str = "", status: int = 200) -> Response:
    here = context(request)
    shown = []
    for hook in here.hooks.all():
        latest = _deliveries(request, hook["id"], 1)
        shown.append({**hook_entity(hook, here.project.id), "created": hook["created_at"], "latest": latest})
    return page(request, "hooks.html", who, hooks=shown, given=given, wrong=wrong, status=status)


def _show(request: Request, who: Session, number: int, *, wrong: str = "", status: int = 200) -> Response:
    here = context(request)
    hook = find_hook(request, number)
    deliveries = [
        {**one, **_texts(delivery_entity(hook, one, here.dispatcher))}
        for one in _deliveries(request, number, _MOST_SHOWN)
    ]
    entity = hook_entity(hook, here.project.id)
    return page(request, "hook.html", who, hook=entity, deliveries=deliveries, wrong=wrong, status=status)


def _deliveries(request: Request, hook: int, count: int) -> list[Row]:
    here = context(request)
    _, found = here.pipelines.count_and_page(here.hooks.deliveries_of(hook), limit=count, offset=0)
    return found


def _texts(entity: dict[str, Any]) -> dict[str, str]:
    """Return the request and the response of a delivery as texts of limited length."""
    headers = "\n".join(f"{name}: {value}" for name, value in entity["request_headers"].items())
    body = json.dumps(entity["request_data"], indent=1, ensure_ascii=False)[:_LONGEST_BODY]
    return {"sent": f"{headers}\n\n{body}", "received": str(entity["response_body"])[:_LONGEST_BODY]}
