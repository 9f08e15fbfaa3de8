"""``packmill-runner hub``: assembles the service and runs it until a signal, or until its hub ends."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path

from generator.runner.server.hub.accounts import account_finder
from generator.runner.server.hub.app import end_work, hub_application
from generator.runner.server.hub.context import BodyLimits, HubContext
from generator.runner.server.hub.environment import HubEnvironment, take_environment
from generator.runner.server.hub.guard import Guard
from generator.runner.server.hub.hub_api import HubApi
from generator.runner.server.hub.metrics import HubMetrics
from generator.runner.server.hub.schedule_memory import ScheduleMemory
from generator.runner.server.hub.sessions import Sessions
from generator.runner.server.hub.user_command import ServerSettings
from generator.runner.server.hub.user_servers import UserServers
from generator.runner.server.operation.http_server import HttpOptions, run_server
from generator.runner.server.operation.listeners import listen
from generator.runner.server.operation.logs import log, set_up_logs
from generator.shared.failures import BadInputsError


def serve(options: argparse.Namespace, say: Callable[[str], None]) -> int:
    """Serve until SIGINT or SIGTERM, or until the hub ends, and return the exit code.

    Raises:
        BadInputsError: an option or a variable cannot be used; nothing was started.
        OSError: the folder of the service cannot be written to.
    """
    parent = os.getppid()
    environment = take_environment()
    set_up_logs(options.log_format, options.log_level)
    if options.log_format == "json":
        say = log
    context = _context(options, environment, _own_folder(Path(options.data).absolute()))
    http = HttpOptions(
        connections=options.connections,
        request_timeout=options.request_timeout,
        shutdown_timeout=options.shutdown_timeout,
        proxies=options.trusted_proxy,
    )
    app = hub_application(context, parent=parent if environment.managed and not options.external else None)
    with listen(environment.host, environment.port) as listener:
        say(f"packmill-runner serves the homes of JupyterHub's users at {environment.base_url}/")
        run_server(app, context, listener, http, partial(end_work, context))
        say("packmill-runner: stopped")
    return 0


def _context(options: argparse.Namespace, environment: HubEnvironment, data: Path) -> HubContext:
    hub, sessions = HubApi(environment), Sessions(f"{environment.base_url}/")
    memory = ScheduleMemory(data / "scheduled.json")
    settings = ServerSettings(
        sockets=_socket_folder(data),
        options=options.serve_options,
        variables=options.keep_variable,
        start_timeout=options.start_timeout,
        shutdown_timeout=options.shutdown_timeout,
    )
    return HubContext(
        base_url=environment.base_url,
        home=options.home,
        hub=hub,
        sessions=sessions,
        access=Guard(
            hub,
            sessions,
            base_url=environment.base_url,
            per_minute=options.rate_limit,
            at_once=options.requests_per_user,
        ),
        servers=UserServers(
            account_finder(home=options.home, least_uid=options.least_uid),
            memory,
            settings,
            base_url=environment.base_url,
            idle_timeout=options.idle_timeout,
        ),
        memory=memory,
        limits=BodyLimits(body=options.max_body, upload=options.max_upload),
        metrics=HubMetrics(),
    )


def _own_folder(folder: Path) -> Path:
    """Create a folder that nobody else can enter, and return it.

    Raises:
        BadInputsError: it belongs to another user, or others can enter it.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    status = folder.lstat()
    if folder.is_symlink() or status.st_uid != os.geteuid() or status.st_mode & 0o077:
        raise BadInputsError(f"--data {folder}: others can enter it; name a folder of this service alone (mode 0700)")
    return folder


def _socket_folder(data: Path) -> Path:
    """Return the folder of the sockets, without those of a killed service, by a path short enough for sockets."""
    folder = _own_folder(data / "sockets")
    for left in folder.iterdir():
        left.unlink()
    return Path("/proc/self/fd", str(os.open(folder, os.O_RDONLY | os.O_DIRECTORY)))
