"""The options of ``packmill-runner serve``, each with a variable for containers."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from typing import Any

from generator.runner.server.quantities import count, duration, positive, size, time_limit
from generator.runner.server.runs.model import CHOICES

default_data = "packmill-data"
variable_prefix = "PACKMILL_SERVE_"
_TRUE = ("1", "true", "yes", "on")

_description = """\
Serves the notebooks of a folder over HTTP. Every run starts from fresh state.

Without tokens the server is for this machine alone. Others reach it with --host 0.0.0.0, which needs a token:
'packmill-runner token create NAME', --token-file or PACKMILL_SERVE_TOKENS.

Each option has a variable: PACKMILL_SERVE_QUEUE=200 is --queue 200. Durations are written as 90s, 30m, 12h or 7d (a
bare number is seconds), sizes as 500M or 10G."""

_epilog = """\
signals: SIGTERM and SIGINT let running runs finish (--shutdown-timeout), a second one interrupts them, which saves
their notebooks. Runs that wait start with the next server.

exit codes: 0 stopped, 2 an option or the machine does not allow it"""


def add_serve(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``serve``."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.usage, parser.description, parser.epilog = "%(prog)s [OPTION]...", _description, _epilog
    _add_notebooks(parser.add_argument_group("notebooks and runs"))
    _add_files(parser.add_argument_group("files of clients"))
    _add_network(parser.add_argument_group("network"))
    _add_access(parser.add_argument_group("access"))
    _add_limits(parser.add_argument_group("limits"))
    _add_operation(parser.add_argument_group("operation"))


def _add_notebooks(group: argparse._ArgumentGroup) -> None:
    _add(group, "--root", metavar="DIRECTORY", help="folder of the notebooks (default: the image's repository)")
    _add(
        group,
        "--data",
        default=default_data,
        metavar="DIRECTORY",
        help="folder of runs, their results, and tokens (default: %(default)s)",
    )
    _add(
        group,
        "--database",
        metavar="URL",
        help="a PostgreSQL database of runs, which several servers share together with --data; set one with a password "
        "in PACKMILL_SERVE_DATABASE (default: a file in --data)",
    )
    _add_storage(group)
    _add_environment(group)
    _add(
        group,
        "--home-of",
        metavar="NAME",
        help="serve the home of a JupyterHub user, with /list-notebooks/NAME, /execute and /run-notebook: executed "
        "notebooks are stored in the home and run --in-place; by default, --root is $HOME, --readable '*', and "
        "--workers at most 2",
    )
    _add(
        group,
        "--in-place",
        action="store_true",
        help="run notebooks in their own folders instead of a copy, with this user's HOME: files that they write stay "
        "there, and are there for later runs; for folders that are too large to copy",
    )
    _add(
        group,
        "--workers",
        type=count,
        metavar="N",
        help="runs at once; with --database, 0 leaves the runs to other servers (default: one for each processor, with "
        "1 GiB of memory each)",
    )
    _add(
        group,
        "--kernels",
        choices=CHOICES,
        default="auto",
        help="how runs start: direct, without Jupyter's messages, for plain Python; kernel, for everything in Python, "
        "both forked from a process that has imported the notebook's modules; cold, a new process; auto, direct where "
        "the notebook allows it, else kernel (default: %(default)s)",
    )


def _add_environment(group: argparse._ArgumentGroup) -> None:
    _add(
        group,
        "--hide-environment",
        action="append",
        default=[],
        metavar="NAME",
        help="environment variable that notebooks do not get; a pattern such as 'API_*' hides none that programs need, "
        "such as PATH; can be repeated (default: PACKMILL_*, with S3 the credentials in AWS_*, with --database "
        "PGPASSWORD)",
    )
    _add(
        group,
        "--environment",
        action="append",
        default=[],
        metavar="NAME",
        help="environment variable or pattern that notebooks get although it would be hidden; can be repeated",
    )


def _add_files(group: argparse._ArgumentGroup) -> None:
    _add(
        group,
        "--readable",
        action="append",
        default=[],
        metavar="GLOB",
        help="files of the folder that clients may name as inputs, such as 'data/*.csv'; * also matches /; can be "
        "repeated (default: only uploads, and what a notebook's own cell names)",
    )

    _add(
        group,
        "--fetch",
        choices=("none", "public"),
        default="none",
        help="public: before a run, fetch files that clients name by http or https address, from hosts that everyone "
        "reaches (default: %(default)s)",
    )
    _add(
        group,
        "--fetch-allow",
        action="append",
        default=[],
        metavar="HOST",
        help="a private host or network from which --fetch public takes files, too; can be repeated",
    )


def _add_storage(group: argparse._ArgumentGroup) -> None:
    _add(
        group,
        "--output-root",
        metavar="DIRECTORY",
        help="also store executed notebooks here, in the folders of their notebooks; relative paths of requests to "
        "/run are below it (default: only those with a path, in --data)",
    )
    _add(
        group,
        "--output-bucket",
        action="append",
        metavar="BUCKET[/FOLDER]",
        help="S3 bucket that requests to /run may store executed notebooks in; can be repeated (default: none)",
    )
    _add(
        group,
        "--source-bucket",
        action="append",
        metavar="BUCKET[/FOLDER]",
        help="S3 bucket whose notebooks /run may run; can be repeated (default: none)",
    )
    _add(
        group,
        "--templates",
        metavar="FILE",
        help="templates of executed notebooks' paths (default: $PACKMILL_TEMPLATES, else a file in --data)",
    )


def _add_network(group: argparse._ArgumentGroup) -> None:
    _add(group, "--host", default="127.0.0.1", metavar="ADDRESS", help="address to listen on (default: %(default)s)")
    _add(group, "--port", type=int, default=8000, metavar="N", help="port, 0 for any (default: %(default)s)")
    _add(
        group,
        "--socket",
        metavar="FILE",
        help="listen on a Unix socket instead, which only this user and root can open: for a proxy that checks who may "
        "do what; needs no token. fd:N is a listening socket that is open as file descriptor N",
    )
    _add(
        group,
        "--base-url",
        default="/",
        metavar="PATH",
        help="path below which a proxy offers the server, such as /packmill/; the proxy may remove it from requests or "
        "not (default: %(default)s)",
    )
    _add(
        group,
        "--allowed-host",
        action="append",
        metavar="NAME",
        help="name by which a server without tokens may be called, in addition to localhost; can be repeated",
    )
    _add(
        group,
        "--trusted-proxy",
        action="append",
        metavar="ADDRESS",
        help="address or network of a proxy whose X-Forwarded-For and X-Forwarded-Proto count; can be repeated",
    )
    _add(group, "--connections", type=positive, default=1000, metavar="N", help="open at once (default: %(default)s)")
    _add(
        group,
        "--request-timeout",
        type=duration,
        default="30s",
        metavar="DURATION",
        help="for a request's head, and for each pause in its body (default: %(default)s)",
    )


def _add_access(group: argparse._ArgumentGroup) -> None:
    _add(
        group,
        "--token-file",
        metavar="FILE",
        help="tokens of your own choice, one NAME:ROLE:TOKEN a line; PACKMILL_SERVE_TOKENS has the same",
    )
    _add(
        group,
        "--rate-limit",
        type=count,
        default=6000,
        metavar="N",
        help="requests a minute and token, 0 for any number (default: %(default)s)",
    )

    _add(
        group,
        "--requests-per-token",
        type=positive,
        metavar="N",
        help="requests of a token at once, with those that follow a run (default: a quarter of --connections)",
    )


def _add_limits(group: argparse._ArgumentGroup) -> None:
    _add(group, "--queue", type=positive, default=100, metavar="N", help="waiting runs (default: %(default)s)")
    _add(group, "--queue-per-token", type=positive, metavar="N", help="waiting runs of one token (default: --queue)")
    _add(
        group, "--timeout", type=time_limit, metavar="DURATION", help="for a run; clients can lower it (default: none)"
    )
    _add(
        group,
        "--execution-timeout",
        type=time_limit,
        metavar="DURATION",
        help="for a cell; clients can lower it (default: none)",
    )
    _add(
        group,
        "--max-body",
        type=size,
        default="16M",
        metavar="SIZE",
        help="a request's body, other than uploads (default: %(default)s)",
    )
    _add(
        group,
        "--max-upload",
        type=size,
        default="1G",
        metavar="SIZE",
        help="a request's uploads (default: %(default)s)",
    )


def _add_operation(group: argparse._ArgumentGroup) -> None:
    _add(
        group,
        "--keep",
        type=duration,
        default="7d",
        metavar="DURATION",
        help="how long runs and their results are kept after their end (default: %(default)s)",
    )
    _add(
        group,
        "--keep-size",
        type=size,
        metavar="SIZE",
        help="disk space of ended runs, beyond which the oldest are deleted (default: no limit)",
    )
    _add(
        group,
        "--shutdown-timeout",
        type=duration,
        default="30s",
        metavar="DURATION",
        help="for running runs at a shutdown, before they are interrupted (default: %(default)s)",
    )
    _add(
        group,
        "--log-format",
        choices=("plain", "json"),
        default="plain",
        help="log lines on stderr: for people, or a JSON object each (default: %(default)s)",
    )
    _add(
        group,
        "--log-level",
        choices=("debug", "info", "warning"),
        default="info",
        help="info has a line for each request and run (default: %(default)s)",
    )


def _add(group: argparse._ArgumentGroup, name: str, **named: Any) -> None:
    """Add an option whose default is its variable's value."""
    variable = variable_prefix + name[2:].replace("-", "_").upper()
    if value := os.environ.get(variable):
        repeated = named.get("action") == "append"
        named["default"] = value.replace(",", " ").split() if repeated else value
        if named.get("action") == "store_true":
            named["default"] = value.lower() in _TRUE
        if "choices" in named:  # argparse does not check defaults
            named["type"] = _one_of(named["choices"])
    group.add_argument(name, **named)


def _one_of(choices: tuple[str, ...]) -> Callable[[str], str]:
    def choice(text: str) -> str:
        if text not in choices:
            raise argparse.ArgumentTypeError(f"{text!r} is not one of {', '.join(choices)}")
        return text

    return choice
