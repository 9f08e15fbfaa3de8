"""``packmill serve``: assembles the service, creates the first tokens, and runs an HTTP server."""

from __future__ import annotations

import asyncio
import re
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import cast
from urllib.parse import unquote

import uvicorn
from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse, PlainTextResponse, RedirectResponse
from starlette.exceptions import HTTPException
from starlette.staticfiles import StaticFiles

from generator.network.address_policy import any_hook
from generator.resources import data_folder
from generator.service.access import Access
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
from generator.service.context import Context, commit_of, context
from generator.service.hooks.dispatcher import Dispatcher
from generator.service.hooks.payloads import Payloads
from generator.service.http_errors import HttpError, error_text
from generator.service.jobs.engine_setup import set_up_engine
from generator.service.jobs.environment import JobContext, host_variable, operator_variables, secrets_without_host
from generator.service.jobs.inherited_variables import inherited_variables
from generator.service.jobs.isolation import choose_isolation
from generator.service.jobs.scheduler import Scheduler
from generator.service.jobs.spec import Limits
from generator.service.lookups.lookups import Lookups
from generator.service.metrics import ServiceMetrics
from generator.service.notebooks.pages import NotebookPages
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
from generator.service.pages.run_reports import describe_run
from generator.service.project.project import Project
from generator.service.retention.images import prune_images
from generator.service.retention.keeper import Keeper
from generator.service.retention.policy import Policy
from generator.service.runs.recording import record_earlier
from generator.service.schedules.starter import ScheduleStarter
from generator.service.store import tokens
from generator.service.store.database import Database, sqlite_url
from generator.service.store.hooks import Hooks
from generator.service.store.job_folders import DataFolder
from generator.service.store.pipelines import Pipelines
from generator.service.store.schedules import Schedules
from generator.shared.clock_watch import ClockWatch
from generator.shared.core_dumps import disable_core_dumps
from generator.shared.errors import UsageError
from generator.shared.http_connections import ConnectionLimits, Gate, GuardedProtocol, backlog, within_open_files
from generator.shared.listening import bound_socket
from generator.shared.setting_text import is_yes, words

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
_POLICY_OF_DATA = "default-src 'none'; frame-ancestors 'none'"
"""The policy of answers that are not pages, as of GitLab's API."""
_FIRST_TOKENS = (
    ("trigger", ("trigger",), "PACKMILL_CI_TRIGGER_TOKEN"),
    ("access", ("api",), "PACKMILL_CI_ACCESS_TOKEN"),
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Options:
    """The options of the service; ``timeout`` in seconds, ``rate_limit`` in requests per minute and token.

    ``job_user``, ``job_writes`` and ``require_confinement`` are for `generator.service.jobs.isolation`;
    ``job_variables`` names variables that jobs get in addition to `generator.service.jobs.inherited_variables`.
    """

    host: str
    port: int
    data: Path
    project: Path
    project_path: str | None
    project_id: int
    database: str | None
    address: str | None
    limits: Limits
    timeout: float
    rate_limit: int
    local_repositories: bool
    connections: ConnectionLimits
    job_user: str | None
    job_writes: tuple[Path, ...]
    job_variables: tuple[str, ...]
    retention: Policy
    require_confinement: bool


def open_database(data: Path, url: str | None) -> Database:
    """Open the database of a data folder, and create the folder if it does not exist.

    Raises:
        UsageError: the folder cannot be created or the database cannot be opened.
    """
    try:
        data.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise UsageError(f"{data}: {error.strerror}; name another folder with --data") from None
    if not url:
        _restrict_to_owner(DataFolder(data).database)
    return Database(url or sqlite_url(DataFolder(data).database))


def _restrict_to_owner(database: Path) -> None:
    """Restrict an SQLite database and the files that SQLite creates next to it to their owner."""
    try:
        database.touch(mode=0o600)
        for file in database.parent.glob(f"{database.name}*"):
            file.chmod(0o600)
    except OSError as error:
        raise UsageError(f"{database}: {error.strerror}; name another folder with --data") from None


def serve(options: Options, environment: Mapping[str, str], say: Callable[[str], None]) -> None:
    """Serve until SIGINT or SIGTERM. Jobs that still run continue, and the next service adopts them.

    Raises:
        UsageError: an option cannot be used on this machine; nothing was started.
    """
    checkout = Project(
        options.project,
        number=options.project_id,
        path=options.project_path,
        timeout=options.timeout,
        snapshots=options.data.resolve() / "project",
    )
    database = open_database(options.data, options.database)
    database.claim()
    data = DataFolder(options.data.resolve())
    disable_core_dumps()
    isolation, sentences = choose_isolation(
        data,
        user=options.job_user,
        writable=tuple(folder.resolve() for folder in options.job_writes),
        required=options.require_confinement,
        home_hidden=not options.local_repositories,
    )
    with _listen(options.host, options.port) as listener:
        inside = f"http://{_reachable_host(options.host)}:{options.port}"
        address = options.address or inside
        job_context = JobContext(
            project=checkout,
            address=address,
            inside=inside,
            own=inherited_variables(environment, options.job_variables),
            local_repositories=options.local_repositories,
            jobs_at_once=options.limits.concurrent,
        )
        if hidden := data.hidden.hide_earlier(database):
            say(f"{hidden} earlier pipelines: removed values that may be secret from the database")
        record_earlier(database, data)
        rows = Pipelines(database, data.hidden)
        sets_up = (isolation.confined or isolation.user) and checkout.has_file("build.sh")
        scheduler = Scheduler(
            rows,
            job_context,
            data,
            options.limits,
            isolation=isolation,
            prepare=(lambda: set_up_engine(say, operator_variables(job_context), data=data.path))
            if sets_up
            else lambda: None,
        )
        app = application(
            Context(
                project=checkout,
                pipelines=rows,
                scheduler=scheduler,
                access=Access(database, per_minute=options.rate_limit),
                data=data,
                address=options.address,
                signing_key=sessions.signing_key(data.path),
                notebooks=NotebookPages(),
                metrics=ServiceMetrics(),
                dispatcher=_dispatcher(options, environment, rows, checkout, address),
                schedules=Schedules(database, data.schedule_values),
                lookups=Lookups(job_context, data, isolation),
                keeper=Keeper(
                    rows,
                    data,
                    options.retention,
                    hold=scheduler.held,
                    prune_images=partial(prune_images, data=data.path, variables=operator_variables(job_context)),
                ),
            )
        )
        say(f"packmill serves {checkout.path} (project {checkout.id}) at {address} (API and web pages)")
        for sentence in sentences:
            say(sentence)
        for secret in secrets_without_host(environment):
            say(f"warning: {secret}: not used; set {host_variable(secret)} to the host that it is for")
        _create_first_tokens(database, environment, say)
        config = uvicorn.Config(
            app,
            http=_protocol_factory(options.connections, say),
            ws="none",
            backlog=backlog,
            log_level="warning",
            access_log=False,
            server_header=False,
            proxy_headers=options.address is not None,
        )
        with suppress(KeyboardInterrupt):  # uvicorn shuts down cleanly and then raises the signal again
            uvicorn.Server(config).run(sockets=[listener])
        say("packmill: stopped; running jobs continue, and the next 'packmill serve' adopts them")


def _dispatcher(
    options: Options, environment: Mapping[str, str], rows: Pipelines, project: Project, address: str
) -> Dispatcher:
    """Return the dispatcher of hooks, which reaches what jobs reach on behalf of others."""
    policy = replace(
        any_hook,
        listed=words(environment.get(any_hook.variable, "")),
        guarded=is_yes(environment.get("PACKMILL_STAGE_GUARD", "")) or not options.local_repositories,
        reachable=words(environment.get("PACKMILL_STAGE_ALLOW", "")),
    )
    data = DataFolder(options.data.resolve())
    hooks = Hooks(rows.database, data.hook_secrets)
    payloads = Payloads(
        project=project,
        address=address,
        commit_of=partial(commit_of, project),
        describe_run=partial(describe_run, rows, data),
    )
    made = Dispatcher(hooks, payloads, policy, clock=ClockWatch(memory=data.clock))
    hooks.on_change = made.wake
    rows.listeners.append(made.wake)
    return made


def _protocol_factory(limits: ConnectionLimits, say: Callable[[str], None]) -> type[asyncio.Protocol]:
    """Return a factory of connection protocols that share one gate."""
    fitting, files = within_open_files(limits)
    if fitting < limits.total:
        say(
            f"warning: {fitting} connections instead of {limits.total}: this process may open {files} files; "
            "raise the limit with ulimit -n"
        )
    return cast("type[asyncio.Protocol]", partial(GuardedProtocol, gate=Gate(replace(limits, total=fitting))))


def application(parts: Context) -> FastAPI:
    """Return the ASGI application."""
    starter = ScheduleStarter(parts)

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

    app = FastAPI(openapi_url=None, lifespan=lifespan)
    app.state.context = parts
    for router in (*_api, signing_in.router, api_pages.router, shared_runs.public):
        app.include_router(router)
    for router in _pages:
        app.include_router(router, prefix=f"/{parts.project.path}/-")
    static = data_folder("templates") / "pages" / "static"
    app.mount("/static", StaticFiles(directory=static, packages=list(_STATIC)))
    app.add_exception_handler(HttpError, _handle_http_error)
    app.add_exception_handler(sessions.SignInFirstError, _redirect_to_sign_in)
    app.add_exception_handler(HTTPException, _handle_http_exception)
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
    address = f"{request.url.path}?{unquote(request.url.query)}"
    if "\0" in address or re.search(r"/\d{19,}(/|$|\?)", address):
        return JSONResponse({"error": "404 Not Found"}, status_code=404)
    return None


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
        route = getattr(request.scope.get("route"), "path", "(none)")
        seconds = time.monotonic() - begun
        context(request).metrics.count_request(method=request.method, route=route, status=status, seconds=seconds)


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


def _handle_http_exception(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    words = {404: "404 Not Found", 405: "405 Not Allowed"}
    if not _wants_json(request):
        return page(request, "wrong.html", None, status=status, code=status, message="Page not found.")
    return JSONResponse({"error": words.get(status, str(status))}, status_code=status)


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


def _reachable_host(host: str) -> str:
    """Return an address at which jobs reach a server that listens on a host."""
    return {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)  # noqa: S104


def _listen(host: str, port: int) -> socket.socket:
    """Open a listening socket before any job is started.

    Raises:
        UsageError: the address is in use or cannot be bound.
    """
    try:
        return bound_socket(host, port)
    except OSError as error:
        raise UsageError(f"{host}:{port}: {error.strerror}; choose another --host or --port") from None


def _create_first_tokens(database: Database, environment: Mapping[str, str], say: Callable[[str], None]) -> None:
    """Create the first tokens unless one of them exists, and show them once."""
    known = {one["name"] for one in tokens.list_tokens(database)}
    if known & {name for name, _, _ in _FIRST_TOKENS}:
        return
    given = [environment.get(variable) or None for _, _, variable in _FIRST_TOKENS]
    made = tokens.create_all(
        database, [(name, scopes, token) for (name, scopes, _), token in zip(_FIRST_TOKENS, given, strict=True)]
    )
    for (name, _, variable), preset, token in zip(_FIRST_TOKENS, given, made, strict=True):
        say(f"{name} token   {f'that of {variable}' if preset else token}")
    once = "They are shown only once and stored as digests; " if not all(given) else ""
    say(f"{once}create others with 'packmill token create NAME'")
