"""The HTTP application of the service: its routes, the headers and checks of all answers, and answers to errors."""

from __future__ import annotations

import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from urllib.parse import unquote

import sqlalchemy as sa
from fastapi import Depends, FastAPI, Request, Response
from fastapi.responses import JSONResponse, PlainTextResponse, RedirectResponse
from starlette.exceptions import HTTPException
from starlette.staticfiles import StaticFiles

from generator.resources import data_folder
from generator.service.api import (
    artifacts,
    audit_events,
    commit_statuses,
    generic_packages,
    hooks,
    jobs,
    operation,
    pipelines,
    project,
    schedules,
)
from generator.service.api.addressing import ProjectAddresses
from generator.service.context import Context, context
from generator.service.http_errors import HttpError, error_text, queue_full
from generator.service.log import log
from generator.service.pages import api as api_pages
from generator.service.pages import audit as audit_pages
from generator.service.pages import hooks as hook_pages
from generator.service.pages import jobs as job_pages
from generator.service.pages import (
    map_report,
    maps,
    new_package,
    notebook,
    packages,
    preview_pages,
    run_submission,
    runs,
    sessions,
    shared_runs,
    signing_in,
    storage,
)
from generator.service.pages import pipelines as pipeline_pages
from generator.service.pages import schedules as schedule_pages
from generator.service.pages.rendering import page
from generator.service.project.project import GitUnavailableError
from generator.service.schedules.starter import ScheduleStarter
from generator.service.store.database import is_unavailable, reason_of
from generator.service.store.queue_limits import QueueFullError
from generator.shared.clock_watch import ClockWatch

_api = (
    artifacts.router,
    audit_events.router,
    commit_statuses.router,
    generic_packages.router,
    hooks.router,
    jobs.own,
    jobs.router,
    operation.router,
    pipelines.router,
    project.router,
    schedules.router,
)
_pages = (
    pipeline_pages.router,
    new_package.router,
    hook_pages.router,
    packages.router,
    run_submission.router,
    runs.router,
    shared_runs.router,
    schedule_pages.router,
    maps.router,
    map_report.router,
    notebook.router,
    preview_pages.router,
    job_pages.router,
    storage.router,
    audit_pages.router,
)
_STATIC = (
    ("generator.shared", "pages"),
    ("generator.runner.server.pages", "static"),  # previews
    ("fastapi_swagger", "resources"),
)
"""Packages, and their folders with scripts and styles of pages."""
_LONGEST_PATH = 8000
"""Characters of a request's path: artifacts have up to 3,500, after a ref and names of the service's own."""
_UNREADABLE_NUMBER = re.compile(r"/\d{256}")
"""Digits that may be more than Python reads as a number; no file has such a name (NAME_MAX, limits.h)."""
_POLICY_OF_DATA = "default-src 'none'; frame-ancestors 'none'"
"""The policy of answers that are not pages, as of GitLab's API."""


def application(parts: Context) -> FastAPI:
    """Return the ASGI application."""
    starter = ScheduleStarter(parts, clock=ClockWatch(memory=parts.data.clock))

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        parts.scheduler.start()
        parts.dispatcher.start()
        parts.keeper.start()
        starter.start()
        yield
        starter.stop()
        parts.lookups.stop()
        parts.keeper.stop()
        parts.dispatcher.stop()
        parts.scheduler.stop()

    app = FastAPI(openapi_url=None, lifespan=lifespan, dependencies=[Depends(_refuse_large_numbers)])
    app.state.context = parts
    for router in (*_api, signing_in.router, api_pages.router, shared_runs.public):
        app.include_router(router)
    for router in _pages:
        app.include_router(router, prefix=f"/{parts.project.path}/-")
    static = data_folder("templates") / "pages" / "static"
    app.mount("/static", StaticFiles(directory=static, packages=list(_STATIC)))
    app.add_exception_handler(HttpError, _handle_http_error)
    app.add_exception_handler(QueueFullError, _handle_full_queue)
    app.add_exception_handler(sessions.SignInFirstError, _redirect_to_sign_in)
    app.add_exception_handler(HTTPException, _handle_http_exception)
    for kind in (sa.exc.DBAPIError, sa.exc.TimeoutError):
        app.add_exception_handler(kind, _handle_unavailable_database)
    app.add_exception_handler(GitUnavailableError, _handle_unavailable_git)
    app.add_exception_handler(Exception, _handle_bug)
    app.middleware("http")(_check_and_add_headers)
    app.middleware("http")(_count_request)
    app.add_middleware(ProjectAddresses, project=parts.project)
    return app


async def _check_and_add_headers(request: Request, call: Callable[[Request], Awaitable[Response]]) -> Response:
    """Refuse other projects, and add the headers that stop browsers from guessing types, caching and framing."""
    return _with_headers(request, _refusal(request) or await call(request))


def _refusal(request: Request) -> Response | None:
    """Return the answer to a request for another project or with an address that no row can have."""
    if request.scope.get("known_project") is False:
        trigger = request.url.path.endswith("/trigger/pipeline")
        return JSONResponse({"message": "404 Not Found" if trigger else "404 Project Not Found"}, status_code=404)
    path = request.scope["path"]
    if "\n" in path or len(path) > _LONGEST_PATH:  # routes with two paths would try every way to divide it
        return JSONResponse({"error": "404 Not Found"}, status_code=404)
    address = f"{request.url.path}?{unquote(request.url.query)}"
    if "\0" in address or _UNREADABLE_NUMBER.search(path):
        return JSONResponse({"error": "404 Not Found"}, status_code=404)
    return None


async def _refuse_large_numbers(request: Request) -> None:
    """Refuse numbers that no row can have, where a route has a number; names of files may be of digits alone."""
    if any(isinstance(value, int) and value >= 1 << 63 for value in request.path_params.values()):
        raise HttpError(404, {"error": "404 Not Found"})


def _with_headers(request: Request, response: Response) -> Response:
    response.headers.setdefault("X-Content-Type-Options", "nosniff")
    response.headers.setdefault("Cache-Control", "no-store" if "/api/" in request.url.path else "no-cache")
    response.headers.setdefault("Referrer-Policy", "same-origin")
    if not request.url.path.startswith("/static/"):  # a script of ours that runs as a worker would obey it
        response.headers.setdefault("Content-Security-Policy", _POLICY_OF_DATA)
    return response


async def _count_request(request: Request, call: Callable[[Request], Awaitable[Response]]) -> Response:
    """Count a request for the metrics, by its route."""
    begun, status = time.monotonic(), 500
    try:
        response = await call(request)
        status = response.status_code
        return response
    finally:
        route, seconds = _route(request), time.monotonic() - begun
        context(request).metrics.count_request(method=request.method, route=route, status=status, seconds=seconds)


def _route(request: Request) -> str:
    """Return the path of a request's route; the path itself may have a secret."""
    return str(getattr(request.scope.get("route"), "path", "(none)"))


def _redirect_to_sign_in(request: Request, error: Exception) -> Response:
    address = error.address if isinstance(error, sessions.SignInFirstError) else "/-/sign-in"
    if request.url.path.endswith("/lines"):
        return JSONResponse({"error": "signed out"}, status_code=401)
    return RedirectResponse(address, status_code=303)


def _handle_http_error(request: Request, error: Exception) -> Response:
    if not isinstance(error, HttpError):
        raise error
    if not _wants_json(request):
        return page(request, "wrong.html", None, status=error.status, code=error.status, message=error_text(error))
    return JSONResponse(error.body, status_code=error.status, headers=error.headers)


def _handle_full_queue(request: Request, error: Exception) -> Response:
    return _handle_http_error(request, queue_full(str(error)))


def _handle_http_exception(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    words = {404: "404 Not Found", 405: "405 Not Allowed"}
    if not _wants_json(request):
        return page(request, "wrong.html", None, status=status, code=status, message="Page not found.")
    return JSONResponse({"error": words.get(status, str(status))}, status_code=status)


def _handle_unavailable_database(request: Request, error: Exception) -> Response:
    """Answer that the database does not answer, is full or locked; the log has the reason."""
    if not is_unavailable(error):
        raise error
    log(f"{request.method} {_route(request)}: {reason_of(error)}")
    words = "The database is unavailable. Try again later."
    return _handle_http_error(request, HttpError(503, {"message": words}, {"Retry-After": "5"}))


def _handle_unavailable_git(request: Request, error: Exception) -> Response:
    """Answer that git cannot read the project now; the log has the reason."""
    log(f"{request.method} {_route(request)}: {error}")
    words = "The project cannot be read now. Try again later."
    return _handle_http_error(request, HttpError(503, {"message": words}, {"Retry-After": "5"}))


def _handle_bug(request: Request, error: Exception) -> Response:
    """Answer after an unexpected error, whose traceback is in the log."""
    del error
    made: Response = PlainTextResponse("Internal Server Error", status_code=500)
    if _wants_json(request):
        made = JSONResponse({"message": "500 Internal Server Error"}, status_code=500)
    return _with_headers(request, made)  # Starlette answers so outside of all middleware


def _wants_json(request: Request) -> bool:
    """Return whether a program sent a request: to the API, or for JSON."""
    accepted = request.headers.get("accept", "")
    of_api = re.match(r"/+api(/|$)", request.url.path) is not None
    return of_api or ("application/json" in accepted and "text/html" not in accepted)
