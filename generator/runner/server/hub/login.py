"""The login of browsers by the hub (OAuth 2, RFC 6749, with PKCE, RFC 7636)."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from generator.runner.server.browsers import check_origin
from generator.runner.server.hub.context import hub_context
from generator.runner.server.pages.rendering import page
from generator.runner.server.problems import ProblemError

router = APIRouter(include_in_schema=False)
_LONGEST_TARGET = 2000
"""Characters of an address that is remembered for a login."""


@router.get("/sign-in")
async def begin(request: Request, next: str = "") -> Response:  # noqa: A002 - the word in addresses
    """Send the browser to the hub, which asks for a password if nobody is logged in."""
    context = hub_context(request)
    context.access.count_login(request)
    login = context.hub.begin_login(local_target(next, context.base_url))
    response = RedirectResponse(login.address, status_code=303)
    context.sessions.note_login(request, response, login.state)
    return response


@router.get("/oauth_callback")
async def finish(request: Request, code: str = "", state: str = "", error: str = "") -> Response:
    """Take the hub's answer, and begin a session."""
    context = hub_context(request)
    response = RedirectResponse(context.address("/"), status_code=303)
    if not context.sessions.take_login(request, response, state):
        raise ProblemError(403, "this login was begun by another browser, or long ago; open the page again")
    if error or not code:
        raise ProblemError(403, f"JupyterHub refuses the login: {error or 'no code'}")
    token, target = await context.hub.finish_login(code, state)
    caller = await context.hub.identify(token, fresh=True)
    if caller is None:
        raise ProblemError(403, "JupyterHub refuses this login; open the page again")
    context.sessions.begin(request, response, token, person=caller.key)
    response.headers["location"] = target
    return response


@router.post("/sign-out")
async def end(request: Request) -> Response:
    """End the session."""
    return sign_out(request)


@router.get("/signed-out")
async def show_end(request: Request) -> Response:
    """Show that the session has ended, and the way to the hub, where a person can log out.

    A form of a page cannot lead there itself, because the hub may have another host (Content-Security-Policy).
    """
    return page(request, "signed_out.html", hub=hub_context(request).hub.home_address)


def sign_out(request: Request) -> Response:
    """End the session of a request.

    Raises:
        ProblemError: 403, a page of another site made the request.
    """
    check_origin(request)
    context = hub_context(request)
    response = RedirectResponse(context.address("/signed-out"), status_code=303)
    context.sessions.end(request, response)
    return response


def local_target(target: str, base_url: str) -> str:
    """Return the target if it is an address of this service, otherwise its first page."""
    is_local = target.startswith(f"{base_url}/") and target.isprintable() and "\\" not in target
    return target if is_local and len(target) <= _LONGEST_TARGET else f"{base_url}/"
