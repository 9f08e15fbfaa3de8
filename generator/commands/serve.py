"""``packmill serve``: run the embedded CI service with its pages."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from generator.commands.parser import Commands, command

if TYPE_CHECKING:
    from generator.service.retention.policy import Policy

_Value = TypeVar("_Value")
_LOOPBACK = ("127.0.0.1", "localhost", "::1")
_SLOWEST_UPLOAD = 16 << 10
"""Bytes a second for which the body of an upload gets more time than a request's."""


def add(commands: Commands) -> None:
    """Add the command."""
    text = """\
Serves GitLab's API for pipelines, and pages for people. A POST to /api/v4/projects/1/trigger/pipeline with a trigger
token, a ref and variables runs the jobs of the project's own .gitlab-ci.yml, through build.sh. The first start creates
a trigger token and an access token and shows them once.

Jobs outlive the service: after a stop or a kill, the next start finds them again."""
    parser = command(commands, "serve", "run the CI service: trigger API and pages", text)
    parser.add_argument(
        "--host", default="127.0.0.1", metavar="ADDRESS", help="address to listen on (default: %(default)s)"
    )
    parser.add_argument("--port", type=int, default=8080, metavar="N", help="port (default: %(default)s)")
    parser.add_argument(
        "--data",
        type=Path,
        default=Path("packmill-data"),
        metavar="DIR",
        help="folder for the database, logs and artifacts (default: %(default)s)",
    )
    parser.add_argument(
        "--project",
        type=Path,
        metavar="DIR",
        help="git repository whose .gitlab-ci.yml is run "
        "(default: the clone that packmill runs from; an installed packmill has its own)",
    )
    parser.add_argument(
        "--project-path", metavar="OWNER/NAME", help="the project's path for clients (default: its last two folders)"
    )
    parser.add_argument(
        "--project-id", type=int, default=1, metavar="N", help="the project's number (default: %(default)s)"
    )
    parser.add_argument(
        "--database",
        metavar="URL",
        help="SQLAlchemy URL; set one with a password in PACKMILL_DATABASE (default: SQLite in DIR)",
    )
    parser.add_argument(
        "--external-url", metavar="URL", help="base URL of links, behind a proxy (default: the request's host)"
    )
    parser.add_argument("--jobs", type=int, default=2, metavar="N", help="jobs at once (default: %(default)s)")
    parser.add_argument(
        "--timeout", default="2 hours", metavar="TIME", help="time limit of jobs that set none (default: %(default)s)"
    )
    parser.add_argument(
        "--log-limit", type=int, default=64, metavar="MB", help="longest log of a job (default: %(default)s)"
    )
    parser.add_argument(
        "--artifacts-limit", type=int, default=4096, metavar="MB", help="largest artifacts (default: %(default)s)"
    )
    parser.add_argument(
        "--rate-limit", type=int, default=6000, metavar="N", help="requests a minute and token (default: %(default)s)"
    )
    parser.add_argument(
        "--connections", type=int, default=1000, metavar="N", help="connections at once (default: %(default)s)"
    )
    parser.add_argument(
        "--connections-per-address",
        type=int,
        metavar="N",
        help="connections of one IPv4 address or IPv6 /64 network "
        "(default: a fifth of --connections; all with --external-url)",
    )
    parser.add_argument(
        "--request-timeout",
        default="30 seconds",
        metavar="TIME",
        help="time limit for a request's head, and again for its body (default: %(default)s)",
    )
    parser.add_argument(
        "--local-repositories",
        action=argparse.BooleanOptionalAction,
        help="allow requests to name repositories and files of this machine "
        "(default: only on a loopback address without --external-url)",
    )
    parser.add_argument(
        "--job-user",
        metavar="NAME",
        help="account that runs jobs, when the service runs as root; needs access to the engine's socket "
        "(default: the service's account)",
    )
    parser.add_argument(
        "--job-writes",
        type=Path,
        action="append",
        default=[],
        metavar="DIR",
        help="folder that jobs may write to in addition to their own; can be repeated",
    )
    parser.add_argument(
        "--job-variable",
        action="append",
        default=[],
        metavar="NAME",
        help="environment variable of the service to pass on to jobs; can be repeated",
    )
    parser.add_argument(
        "--require-confinement",
        action="store_true",
        help="refuse to start if the kernel cannot confine jobs (default: warn)",
    )
    group = parser.add_argument_group("retention", "what the service removes by itself; kept and running things stay")
    group.add_argument(
        "--quota",
        metavar="SIZE",
        help="space of the data folder, such as 100GB: the oldest artifacts, then pipelines, then uploads go",
    )
    group.add_argument(
        "--image-quota", metavar="SIZE", help="space of packmill's images: the oldest go that nothing uses"
    )
    group.add_argument(
        "--prune-older-than", type=float, metavar="DAYS", help="age at which ended pipelines and unused images go"
    )
    group.add_argument(
        "--prune-at",
        default="0 3 * * *",
        metavar="CRON",
        help="times at which images and old pipelines are removed, in UTC (default: %(default)s)",
    )
    parser.set_defaults(command=run)


def _retention(options: argparse.Namespace) -> Policy:
    """Return the limits on what the service stores.

    Raises:
        UsageError: a size, the age or the cron expression is invalid.
    """
    from generator.service.retention.policy import Policy
    from generator.shared.cron_times import check_expression
    from generator.shared.errors import UsageError
    from generator.shared.size_text import read_size

    def read(name: str, reader: Callable[[str], _Value]) -> _Value | None:
        text = getattr(options, name)
        try:
            return reader(text) if text else None
        except ValueError as error:
            raise UsageError(f"--{name.replace('_', '-')}: {error}") from None

    days = options.prune_older_than
    if days is not None and not 0 <= days <= 36500:
        raise UsageError(f"--prune-older-than {days:g}: give a number of days from 0")
    return Policy(
        quota=read("quota", read_size),
        image_quota=read("image_quota", read_size),
        older_than=None if days is None else days * 86400,
        schedule=read("prune_at", check_expression) or "0 3 * * *",
    )


def run(options: argparse.Namespace) -> int:
    """Run the command; return its exit code."""
    from generator.request.secret_files import secret_paths, with_secret_files
    from generator.resources import checkout_folder, is_installed
    from generator.service.jobs.spec import Limits
    from generator.service.project.durations import seconds
    from generator.service.server import Options, serve
    from generator.service.store.opening import failures_named
    from generator.shared.errors import UsageError
    from generator.shared.http_connections import ConnectionLimits

    if min(options.jobs, options.log_limit, options.artifacts_limit, options.rate_limit, options.project_id) < 1:
        raise UsageError("--jobs, --log-limit, --artifacts-limit, --rate-limit and --project-id must be at least 1")
    if options.connections < 10 or (options.connections_per_address or 1) < 1:
        raise UsageError("--connections must be at least 10, --connections-per-address at least 1")
    request = seconds(options.request_timeout, "--request-timeout")
    if request < 1:
        raise UsageError("--request-timeout must be at least 1 second")
    environment = with_secret_files(os.environ)
    own_path = "packmill/packmill" if is_installed() and not options.project else None
    local = options.local_repositories
    shared = None if options.external_url else max(1, options.connections // 5)
    settings = Options(
        host=options.host,
        port=options.port,
        data=options.data,
        project=options.project or checkout_folder(),
        project_path=options.project_path or own_path,
        project_id=options.project_id,
        database=options.database or environment.get("PACKMILL_DATABASE") or None,
        address=options.external_url.rstrip("/") if options.external_url else None,
        limits=Limits(concurrent=options.jobs, trace=options.log_limit << 20, artifacts=options.artifacts_limit << 20),
        timeout=seconds(options.timeout, "--timeout"),
        rate_limit=options.rate_limit,
        local_repositories=(options.host in _LOOPBACK and not options.external_url) if local is None else local,
        connections=ConnectionLimits(
            total=options.connections,
            per_address=options.connections_per_address or shared,
            request=request,
            slowest_body=_SLOWEST_UPLOAD,
        ),
        job_user=options.job_user,
        job_writes=tuple(options.job_writes),
        job_variables=tuple(options.job_variable),
        require_confinement=options.require_confinement,
        secrets=secret_paths(os.environ),
        retention=_retention(options),
    )
    with failures_named(options.data):
        serve(settings, environment, say=lambda line: print(line, flush=True))
    return 0
