"""``packmill serve``: assembles the service and runs an HTTP server."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import cast

import uvicorn

from generator.network.address_policy import any_hook
from generator.service.access import Access
from generator.service.application import application
from generator.service.context import Context, commit_of
from generator.service.hooks.dispatcher import Dispatcher
from generator.service.hooks.payloads import Payloads
from generator.service.jobs.engine_setup import set_up_engine
from generator.service.jobs.environment import (
    JobContext,
    host_variable,
    operator_variables,
    secrets_without_host,
    signing_key_file,
)
from generator.service.jobs.inherited_variables import inherited_variables
from generator.service.jobs.isolation import choose_isolation
from generator.service.jobs.scheduler import Scheduler
from generator.service.jobs.spec import Limits
from generator.service.log import surviving
from generator.service.lookups.lookups import Lookups
from generator.service.metrics import ServiceMetrics
from generator.service.notebooks.pages import NotebookPages
from generator.service.pages import sessions
from generator.service.pages.run_reports import describe_run
from generator.service.project.project import Project
from generator.service.retention.images import prune_images
from generator.service.retention.keeper import Keeper
from generator.service.retention.policy import Policy
from generator.service.runs.recording import record_earlier
from generator.service.store.first_tokens import create_first_tokens
from generator.service.store.folder_ties import tie
from generator.service.store.hooks import Hooks
from generator.service.store.job_folders import DataFolder
from generator.service.store.opening import open_database
from generator.service.store.pipelines import Pipelines
from generator.service.store.schedules import Schedules
from generator.shared.clock_watch import ClockWatch
from generator.shared.core_dumps import disable_core_dumps
from generator.shared.errors import UsageError
from generator.shared.http_connections import ConnectionLimits, Gate, GuardedProtocol, backlog, within_open_files
from generator.shared.listening import bound_socket
from generator.shared.setting_text import is_yes, words


@dataclass(frozen=True, kw_only=True, slots=True)
class Options:
    """The options of the service; ``timeout`` in seconds, ``rate_limit`` in requests per minute and token.

    ``job_user``, ``job_writes`` and ``require_confinement`` are for `generator.service.jobs.isolation`;
    ``job_variables`` names variables that jobs get in addition to `generator.service.jobs.inherited_variables`,
    ``secrets`` the files and folders that they may not read.
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
    secrets: tuple[Path, ...]


def serve(options: Options, environment: Mapping[str, str], say: Callable[[str], None]) -> None:
    """Serve until SIGINT or SIGTERM. Jobs that still run continue, and the next service adopts them.

    Lines that ``say`` cannot write are lost, except those with the first tokens.

    Raises:
        OSError: the first tokens cannot be shown; they are not created.
        UsageError: an option cannot be used on this machine; nothing was started.
        SQLAlchemyError: the database cannot be opened, or fails at the start.
    """
    report = surviving(say)
    database = open_database(options.data, options.database)
    database.claim()
    data = DataFolder(options.data.resolve())
    data.claim()
    checkout = Project(
        options.project,
        number=options.project_id,
        path=options.project_path,
        timeout=options.timeout,
        snapshots=data.path / "project",
    )
    tie(database, data)
    disable_core_dumps()
    isolation, sentences = choose_isolation(
        data,
        user=options.job_user,
        writable=tuple(folder.resolve() for folder in options.job_writes),
        required=options.require_confinement,
        home_hidden=not options.local_repositories,
        secrets=(*options.secrets, *signing_key_file(environment)),
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
            report(f"{hidden} earlier pipelines: removed values that may be secret from the database")
        record_earlier(database, data)
        rows = Pipelines(database, data.hidden)
        sets_up = (isolation.confined or isolation.user) and checkout.has_file("build.sh")
        scheduler = Scheduler(
            rows,
            job_context,
            data,
            options.limits,
            isolation=isolation,
            prepare=(lambda: set_up_engine(report, operator_variables(job_context), data=data.path))
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
        report(f"packmill serves {checkout.path} (project {checkout.id}) at {address} (API and web pages)")
        for sentence in sentences:
            report(sentence)
        for secret in secrets_without_host(environment):
            report(f"warning: {secret}: not used; set {host_variable(secret)} to the host that it is for")
        create_first_tokens(database, environment, data.path, say)
        config = uvicorn.Config(
            app,
            http=_protocol_factory(options.connections, report),
            ws="none",
            backlog=backlog,
            log_level="warning",
            access_log=False,
            server_header=False,
            proxy_headers=options.address is not None,
        )
        with suppress(KeyboardInterrupt):  # uvicorn shuts down cleanly and then raises the signal again
            uvicorn.Server(config).run(sockets=[listener])
        report("packmill: stopped; running jobs continue, and the next 'packmill serve' adopts them")


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
        variables_of=rows.variables_of,
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
