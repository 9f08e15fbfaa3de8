"""The ASGI application of the service, and its work in the background."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial

from fastapi import FastAPI, Request, Response
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from generator.runner.server.hub import login, routes
from generator.runner.server.hub.context import HubContext
from generator.runner.server.operation.background import background
from generator.runner.server.operation.errors import unexpected_problem
from generator.runner.server.operation.logs import log
from generator.runner.server.pages import static_files
from generator.runner.server.pages.errors import error_response
from generator.runner.server.problems import ProblemError

_LOOK_FOR_HUB = 1.0
_LOOK_FOR_USERS = 3600.0


def hub_application(context: HubContext, *, parent: int | None) -> FastAPI:
    """Return the application; it stops when the process ``parent`` has ended."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        works: dict[str, Callable[[], Awaitable[None]]] = {
            "idle servers": context.servers.stop_idle,
            "schedules": partial(_keep_schedules, context),
        }
        if parent is not None:
            works["hub"] = partial(_stop_with_hub, parent)
        async with background(works):
            yield

    app = FastAPI(title="packmill", openapi_url=None, lifespan=lifespan, redirect_slashes=False)
    app.state.context = context
    for router in (login.router, routes.router, static_files.router):
        app.include_router(router)
    app.add_exception_handler(ProblemError, _handle_problem)
    app.add_exception_handler(ClientDisconnect, _handle_lost_client)
    app.add_exception_handler(HTTPException, _handle_http_exception)
    app.add_exception_handler(Exception, _handle_unexpected)
    return app


async def end_work(context: HubContext, timeout: float, hurry: asyncio.Event) -> None:
    """Stop all users' servers, which let running runs finish."""
    context.draining = True
    log("shutting down", user_servers=len(context.servers), timeout=timeout)
    await context.servers.stop_all(hurry)


async def _stop_with_hub(parent: int) -> None:
    """Stop when the hub has ended: a new one starts its own service, with another token."""
    while os.getppid() == parent:
        await asyncio.sleep(_LOOK_FOR_HUB)
    log("JupyterHub has ended")
    os.kill(os.getpid(), signal.SIGTERM)
    await asyncio.Event().wait()


async def _keep_schedules(context: HubContext) -> None:
    """Start the servers of users with schedules; forget users that the hub does not have any more."""
    while True:
        for username in context.memory.names:
            if await context.hub.has_user(username) is False:
                log("user removed from the hub", user=username)
                await context.servers.stop(username)
            else:
                await context.servers.start_scheduled(username)
        await asyncio.sleep(_LOOK_FOR_USERS)


def _handle_problem(request: Request, error: Exception) -> Response:
    if not isinstance(error, ProblemError):
        raise error
    return error_response(request, error)


def _handle_lost_client(_request: Request, _error: Exception) -> Response:
    return Response(status_code=400)  # nobody reads it


def _handle_http_exception(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    what = {404: "no such resource", 405: "this method is not allowed here"}.get(status, "the request failed")
    headers = dict(getattr(error, "headers", None) or {})
    return error_response(
        request, ProblemError(status, f"{request.method} {request.url.path}: {what}", headers=headers)
    )


def _handle_unexpected(request: Request, error: Exception) -> Response:
    return error_response(request, unexpected_problem(error, request.scope.get("request_id", "")))
