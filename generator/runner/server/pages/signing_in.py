"""The pages to sign in with a token and to sign out."""

from __future__ import annotations

from urllib.parse import quote

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from generator.runner.server.context import context_of, own_path
from generator.runner.server.pages.rendering import page
from generator.runner.server.problems import ProblemError
from generator.runner.server.values.request import read_form

router = APIRouter(include_in_schema=False)
_LARGEST_FORM = 32 << 10
"""Bytes: a token, and an address of this server."""


def sign_in_address(request: Request) -> str:
    """Return the address of the page to sign in, which leads back to the address of the request."""
    context, query = context_of(request), request.url.query
    target = context.address(quote(own_path(request))) + (f"?{query}" if query else "")
    return context.address(f"/sign-in?next={quote(target, safe='')}")


@router.get("/sign-in")
async def sign_in_page(request: Request, next: str = "") -> Response:  # noqa: A002 - the word in addresses
    """Show the form for a token."""
    return page(request, "sign_in.html", wrong="", next=_local_target(next))


@router.post("/sign-in")
async def sign_in(request: Request) -> Response:
    """Begin a session with a token."""
    body = await read_form(request, _LARGEST_FORM)
    target = _local_target(body.text("next") or "")
    response = RedirectResponse(target or context_of(request).address("/"), status_code=303)
    try:
        context_of(request).access.sign_in(request, response, body.text("token") or "")
    except ProblemError as problem:
        if problem.status != 401:
            raise
        wrong = "This token is not valid."
        return page(request, "sign_in.html", status=401, wrong=wrong, next=target)
    return response


@router.post("/sign-out")
async def sign_out(request: Request) -> Response:
    """End the session."""
    response = RedirectResponse(context_of(request).address("/sign-in"), status_code=303)
    context_of(request).access.sign_out(request, response)
    return response


def _local_target(target: str) -> str:
    """Return the target if it is an address of this server, otherwise an empty text."""
    is_local = target.startswith("/") and not target.startswith(("//", "/\\")) and target.isprintable()
    return target if is_local and "\\" not in target else ""
