"""Options of ``serve`` for its operation: network, access, limits, retention and logs."""

from __future__ import annotations

import argparse

from generator.runner.server.quantities import count, duration, positive, size, time_limit
from generator.runner.server.variable_options import add_option


def add_network(group: argparse._ArgumentGroup) -> None:
    """Add the options of the group *network*."""
    add_option(
        group, "--host", default="127.0.0.1", metavar="ADDRESS", help="address to listen on (default: %(default)s)"
    )
    add_option(group, "--port", type=int, default=8000, metavar="N", help="port, 0 for any (default: %(default)s)")
    add_option(
        group,
        "--socket",
        metavar="FILE",
        help="listen on a Unix socket instead, which only this user and root can open: for a proxy that checks who may "
        "do what; needs no token. fd:N is a listening socket that is open as file descriptor N",
    )
    add_option(
        group,
        "--base-url",
        default="/",
        metavar="PATH",
        help="path below which a proxy offers the server, such as /packmill/; the proxy may remove it from requests or "
        "not (default: %(default)s)",
    )
    add_option(
        group,
        "--allowed-host",
        action="append",
        metavar="NAME",
        help="name by which a server without tokens may be called, in addition to localhost; can be repeated",
    )
    add_option(
        group,
        "--trusted-proxy",
        action="append",
        metavar="ADDRESS",
        help="address or network of a proxy whose X-Forwarded-For and X-Forwarded-Proto count; can be repeated",
    )
    add_option(
        group, "--connections", type=positive, default=1000, metavar="N", help="open at once (default: %(default)s)"
    )
    add_option(
        group,
        "--request-timeout",
        type=duration,
        default="30s",
        metavar="DURATION",
        help="for a request's head, and for each pause in its body (default: %(default)s)",
    )


def add_access(group: argparse._ArgumentGroup) -> None:
    """Add the options of the group *access*."""
    add_option(
        group,
        "--token-file",
        metavar="FILE",
        help="tokens of your own choice, one NAME:ROLE:TOKEN a line; PACKMILL_SERVE_TOKENS has the same",
    )
    add_option(
        group,
        "--rate-limit",
        type=count,
        default=6000,
        metavar="N",
        help="requests a minute and token, 0 for any number (default: %(default)s)",
    )

    add_option(
        group,
        "--requests-per-token",
        type=positive,
        metavar="N",
        help="requests of a token at once, with those that follow a run (default: a quarter of --connections)",
    )


def add_limits(group: argparse._ArgumentGroup) -> None:
    """Add the options of the group *limits*."""
    add_option(group, "--queue", type=positive, default=100, metavar="N", help="waiting runs (default: %(default)s)")
    add_option(
        group, "--queue-per-token", type=positive, metavar="N", help="waiting runs of one token (default: --queue)"
    )
    add_option(
        group, "--timeout", type=time_limit, metavar="DURATION", help="for a run; clients can lower it (default: none)"
    )
    add_option(
        group,
        "--execution-timeout",
        type=time_limit,
        metavar="DURATION",
        help="for a cell; clients can lower it (default: none)",
    )
    add_option(
        group,
        "--max-output",
        type=size,
        metavar="SIZE",
        help="what a run may write to its results, working copy and HOME (default: no limit)",
    )
    add_option(
        group,
        "--max-files",
        type=count,
        default=0,
        metavar="N",
        help="files and folders that a run may write there, 0 for any number (default: 0)",
    )
    add_option(
        group,
        "--max-body",
        type=size,
        default="16M",
        metavar="SIZE",
        help="a request's body, other than uploads (default: %(default)s)",
    )
    add_option(
        group,
        "--max-upload",
        type=size,
        default="1G",
        metavar="SIZE",
        help="a request's uploads (default: %(default)s)",
    )


def add_operation(group: argparse._ArgumentGroup) -> None:
    """Add the options of the group *operation*."""
    add_option(
        group,
        "--keep",
        type=duration,
        default="7d",
        metavar="DURATION",
        help="how long runs and their results are kept after their end (default: %(default)s)",
    )
    add_option(
        group,
        "--keep-size",
        type=size,
        metavar="SIZE",
        help="disk space of ended runs, beyond which the oldest are deleted (default: no limit)",
    )
    add_option(
        group,
        "--shutdown-timeout",
        type=duration,
        default="30s",
        metavar="DURATION",
        help="for running runs at a shutdown, before they are interrupted (default: %(default)s)",
    )
    add_option(
        group,
        "--log-format",
        choices=("plain", "json"),
        default="plain",
        help="log lines on stderr: for people, or a JSON object each (default: %(default)s)",
    )
    add_option(
        group,
        "--log-level",
        choices=("debug", "info", "warning"),
        default="info",
        help="info has a line for each request and run (default: %(default)s)",
    )
