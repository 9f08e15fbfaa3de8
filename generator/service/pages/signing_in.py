"""The pages for signing in with an access token and for signing out."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse
from starlette.concurrency import run_in_threadpool

from generator.service.access import client_address
from generator.service.api.parameters import read_parameters
from generator.service.context import context
from generator.service.pages import sessions
from generator.service.pages.rendering import page

router = APIRouter()


@router.get("/")
def home(request: Request) -> Response:
    """Redirect to the pipelines."""
    return RedirectResponse(f"/{context(request).project.path}/-/pipelines", status_code=303)


@router.get("/-/sign-in")
def sign_in_page(request: Request) -> Response:
    """Show the form for an access token."""
    return page(request, "sign_in.html", None, wrong="", next=_local_target(request.query_params.get("next", "")))


@router.post("/-/sign-in")
async def sign_in(request: Request) -> Response:
    """Sign in with an access token that may read, by the form of this site: others would choose the visitor's token."""
    sessions.check_origin(request)
    form = await read_parameters(request)
    return await run_in_threadpool(_sign_in, request, str(form.get("token", "")), str(form.get("next", "")))


def _sign_in(request: Request, token: str, target: str) -> Response:
    identity = context(request).access.find(token.strip(), client_address(request))
    if identity is None or not identity.may_read:
        if identity is None and token.strip():
            context(request).access.note_failure(client_address(request))
        wrong = "This token is invalid. Use an access token with the scope api or read_api."
        return page(request, "sign_in.html", None, status=401, wrong=wrong, next=_local_target(target))
    response = RedirectResponse(_local_target(target) or "/", status_code=303)
    sessions.begin(request, response, identity)
    return response


@router.post("/-/sign-out")
async def sign_out(request: Request) -> Response:
    """End the session."""
    form = await read_parameters(request)
    return await run_in_threadpool(_sign_out, request, form)


def _sign_out(request: Request, form: dict[str, Any]) -> Response:
    sessions.check_form(request, form)
    response = RedirectResponse("/-/sign-in", status_code=303)
    sessions.end(request, response)
    return response


def _local_target(target: str) -> str:
    """Return the target if it is a page of this service, otherwise an empty text."""
    plain = target.startswith("/") and not target.startswith(("//", "/\\")) and target.isprintable()
    return target if plain else ""
