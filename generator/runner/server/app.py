"""The ASGI application: a router per protocol, error responses, and the life of workers and background work."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from functools import partial
from pathlib import Path

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from generator.runner.server.api import notebooks, operation, outputs, runs, schedules, server_document
from generator.runner.server.context import Context, own_path
from generator.runner.server.home_api import home
from generator.runner.server.home_api import running as home_running
from generator.runner.server.ogc import router as ogc
from generator.runner.server.operation.background import background
from generator.runner.server.operation.errors import store_problem, unexpected_problem, unreadable_problem
from generator.runner.server.operation.reports import report_end
from generator.runner.server.operation.retention import keep_tidy
from generator.runner.server.pages import forms, signing_in, static_files, swagger
from generator.runner.server.pages import notebooks as notebook_pages
from generator.runner.server.pages import runs as run_pages
from generator.runner.server.pages import schedules as schedule_pages
from generator.runner.server.pages.errors import error_response
from generator.runner.server.papermill_api import running, templates
from generator.runner.server.problems import ProblemError
from generator.runner.server.runs.folder import UnreadableRecordError, runs_folder
from generator.runner.server.runs.store import ChangeKind, RunMissingError, StoreUnavailableError
from generator.runner.server.schedules.scheduler import Scheduler
from generator.runner.server.schedules.store import ScheduleMissingError
from generator.runner.server.workers.pool import WorkerPool

_pages = (
    notebook_pages.router,
    forms.router,
    run_pages.plain_router,
    run_pages.router,
    schedule_pages.router,
    signing_in.router,
    static_files.router,
    swagger.router,
)
_api = (
    operation.router,
    runs.router,
    outputs.router,
    notebooks.router,
    schedules.router,
    server_document.router,
)
_papermill_api = (templates.router, running.router, running.bare_router)  # the last one takes what is left
_routers = (*_pages, *_api, ogc.router, *_papermill_api)
_home_routers = (*_pages, home.router, home_running.router, *_api, ogc.router, *_papermill_api)
_SWEEP_INTERVAL = 2.0
"""Seconds between two looks for runs whose workers have died."""


def application(
    context: Context, start_workers: Callable[[Context], WorkerPool], *, shutdown_timeout: float
) -> FastAPI:
    """Return the application; ``start_workers`` is called in its event loop when it starts."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        context.workers = start_workers(context)
        works: dict[str, Callable[[], Awaitable[None]]] = {
            "lost runs": partial(_sweep, context),
            "schedules": Scheduler(context).work,
            "retention": partial(keep_tidy, context),
        }
        try:
            async with background(works):
                with _changes_by_others(context):
                    yield
        finally:
            await context.workers.stop(shutdown_timeout)

    app = FastAPI(title="packmill", openapi_url=None, lifespan=lifespan)
    app.state.context = context
    for router in _routers if context.home_of is None else _home_routers:
        app.include_router(router)
    app.add_exception_handler(ProblemError, _handle_problem)
    app.add_exception_handler(RunMissingError, _handle_missing_run)
    app.add_exception_handler(StoreUnavailableError, _handle_unavailable_store)
    app.add_exception_handler(UnreadableRecordError, _handle_unreadable_record)
    app.add_exception_handler(ScheduleMissingError, _handle_missing_schedule)
    app.add_exception_handler(ClientDisconnect, _handle_lost_client)
    app.add_exception_handler(RequestValidationError, _handle_invalid_request)
    app.add_exception_handler(HTTPException, _handle_http_exception)
    app.add_exception_handler(FileNotFoundError, _handle_missing_file)
    app.add_exception_handler(Exception, _handle_unexpected)
    return app


@contextmanager
def _changes_by_others(context: Context) -> Iterator[None]:
    """Listen to the ends of runs on other servers, for requests that wait for them here."""
    changes = context.store.listen(ChangeKind.ENDED)
    if changes is None:
        yield
        return
    loop, descriptor = asyncio.get_running_loop(), changes.fileno()
    loop.add_reader(descriptor, lambda: context.events.take_changes(changes.read()))
    try:
        yield
    finally:
        loop.remove_reader(descriptor)


async def _sweep(context: Context) -> None:
    """End or repeat the runs of dead workers, as long as the server runs."""
    dead: tuple[str, ...] = ()
    while True:
        with suppress(StoreUnavailableError):
            await _end_lost_runs(context, dead)
        dead = ()
        with suppress(asyncio.TimeoutError):
            dead = (await asyncio.wait_for(context.deaths.get(), _SWEEP_INTERVAL),)


async def _end_lost_runs(context: Context, dead: tuple[str, ...]) -> None:
    """End the runs of dead workers, or queue them again if no cell had begun."""
    for run in await context.stored(context.store.end_lost_runs, dead=dead):
        if run.state.final:
            context.folder(run.id).remove_inputs()
            context.events.publish_end(run.id)
            report_end(context, run)
        else:
            context.wake()


def _handle_problem(request: Request, error: Exception) -> Response:
    if not isinstance(error, ProblemError):
        raise error
    return error_response(request, error)


def _handle_missing_run(request: Request, error: Exception) -> Response:
    return error_response(request, ProblemError(404, f"run {error}: not found, or deleted after its retention"))


def _handle_unavailable_store(request: Request, error: Exception) -> Response:
    return error_response(request, store_problem(error))


def _handle_unreadable_record(request: Request, error: Exception) -> Response:
    if not isinstance(error, UnreadableRecordError):
        raise error
    return error_response(request, unreadable_problem(error))


def _handle_missing_schedule(request: Request, error: Exception) -> Response:
    return error_response(request, ProblemError(404, f"schedule {error}: not found; GET /schedules lists all"))


def _handle_lost_client(_request: Request, _error: Exception) -> Response:
    return Response(status_code=400)  # nobody reads it


def _handle_invalid_request(request: Request, error: Exception) -> Response:
    if not isinstance(error, RequestValidationError):
        raise error
    issues = [f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors()]
    return error_response(request, ProblemError(400, "the request is not valid", issues=issues))


def _handle_http_exception(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    what = {404: "no such resource", 405: "this method is not allowed here"}.get(status, "the request failed")
    headers = dict(getattr(error, "headers", None) or {})
    if status == 405 and (allowed := server_document.allowed_methods(request.app, own_path(request))):
        headers["Allow"] = allowed
    problem = ProblemError(status, f"{request.method} {request.url.path}: {what}", headers=headers)
    return error_response(request, problem)


def _handle_missing_file(request: Request, error: Exception) -> Response:
    """Answer that a file of a run was removed while it was looked at, as by its retention; others are unexpected."""
    name = getattr(error, "filename", None)
    runs = runs_folder(request.app.state.context.data)
    if not isinstance(name, str | bytes) or not Path(os.fsdecode(name)).is_relative_to(runs):
        raise error
    return error_response(request, ProblemError(404, "a file of the run was removed meanwhile"))


def _handle_unexpected(request: Request, error: Exception) -> Response:
    return error_response(request, unexpected_problem(error, request.scope.get("request_id", "")))
