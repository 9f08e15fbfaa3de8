"""The resources of the service: the guide's, and each user's server below ``/user/NAME/``."""

from __future__ import annotations

from functools import partial
from typing import Any
from urllib.parse import quote

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.concurrency import run_in_threadpool

from generator import __version__
from generator.runner.server.hub.context import hub_context
from generator.runner.server.hub.health import examine
from generator.runner.server.hub.login import sign_out
from generator.runner.server.hub.requests import decoded_username, segments, username_of_body
from generator.runner.server.hub.responses import ForwardedResponse
from generator.runner.server.hub.scopes import Action, metrics_scope
from generator.runner.server.json_responses import JsonResponse
from generator.runner.server.pages.negotiation import wants_page
from generator.runner.server.problems import ProblemError
from generator.runner.server.values.bodies import read_bytes

router = APIRouter()
_METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
_SHOWN = ("notebooks", "runs", "schedules", "docs", "openapi.json", "ogc", "static")
"""What pages of other sites may link to: no GET request to these runs a notebook, as papermill-api's does."""
_ENDPOINTS = {
    "GET /health": "the state of the service, of JupyterHub and of papermill",
    "GET /list-notebooks/{username}": "the notebooks of a home",
    "POST /execute": "run a notebook of a home by its name",
    "POST /run-notebook": "run a notebook of a home by its path",
    "GET /docs": "these requests, and all others of your own server, in Swagger UI",
    "/user/{username}/": "your own server, with pages, runs and schedules",
}


@router.get("/")
async def show_service(request: Request) -> Response:
    """Describe the service; browsers go to the pages of the person's own server."""
    if wants_page(request):
        return await go_to_own_server(request)
    return JsonResponse({"service": "packmill", "version": __version__, "endpoints": _ENDPOINTS})


@router.get("/docs")
@router.get("/notebooks")
@router.get("/runs")
@router.get("/schedules")
async def go_to_own_server(request: Request) -> Response:
    """Go to a page of the person's own server."""
    context = hub_context(request)
    caller = await context.access.require(request)
    if caller.kind != "user":
        raise ProblemError(404, "a service has no server of its own; see /user/NAME/")
    return RedirectResponse(context.servers.address(caller.name) + request.scope["route"].path, status_code=303)


@router.get("/health")
async def show_health(request: Request) -> Response:
    """Tell whether the service can run notebooks: 200 or 503."""
    status, body = await examine(hub_context(request))
    return JsonResponse(body, status)


@router.get("/metrics")
async def show_metrics(request: Request) -> Response:
    """Return the metrics for Prometheus; the caller needs the hub's scope for metrics."""
    context = hub_context(request)
    caller = await context.access.require(request)
    if not caller.has([metrics_scope]):
        raise ProblemError(403, f"{caller.kind} {caller.name!r}: the scope {metrics_scope} is needed")
    text = context.metrics.text(servers=len(context.servers), scheduled=len(context.memory.names))
    return Response(text, media_type=CONTENT_TYPE_LATEST)


@router.get("/list-notebooks/{username}")
async def list_notebooks(request: Request) -> Response:
    """List the notebooks of a user's home."""
    username, _ = _named_user(request, "list-notebooks")
    await hub_context(request).access.require_for(request, username, "read")
    return _forward(request, username, target=f"/list-notebooks/{quote(username, safe='')}", action="read")


@router.post("/execute")
@router.post("/run-notebook")
async def run(request: Request) -> Response:
    """Run a notebook of a user's home, and answer when it has ended."""
    context = hub_context(request)
    caller = await context.access.require(request)
    body = await read_bytes(request, context.limits.body, advice="")
    username = await run_in_threadpool(username_of_body, request, body, caller)
    await context.access.confirm(request, username, "run")
    return _forward(request, username, target=request.scope["route"].path, action="run", body=body)


@router.api_route("/user/{rest:path}", methods=_METHODS)
async def use_server(request: Request) -> Response:
    """Forward a request to a user's own server."""
    context = hub_context(request)
    username, rest = _named_user(request, "user")
    if not rest:
        return RedirectResponse(f"{context.servers.address(username)}/", status_code=307)
    if rest == ["sign-out"] and request.method == "POST":
        return sign_out(request)
    caller = await context.access.require_for(request, username, "read")
    if rest != [""] and rest[0] not in _SHOWN:
        context.access.check_page(request)
    action: Action = "run" if caller.may("run", username) else "read"
    confirm = partial(context.access.confirm, request, username, action)
    return _forward(request, username, target="/" + "/".join(rest), action=action, confirm=confirm)


def _named_user(request: Request, first: str) -> tuple[str, list[str]]:
    """Return the user that the second segment of a path names, and the other segments.

    Raises:
        ProblemError: 404, there is no such resource, or the segment cannot be a name.
    """
    found, name, *rest = [*segments(request), ""]
    if found != first:
        raise ProblemError(404, f"{request.url.path}: no such resource")
    return decoded_username(name), rest[:-1]


def _forward(request: Request, username: str, *, target: str, **exchange: Any) -> Response:
    query = request.scope["query_string"].decode("latin-1")
    return ForwardedResponse(
        hub_context(request).servers, username, target=f"{target}?{query}" if query else target, **exchange
    )
