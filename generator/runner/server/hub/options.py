"""The options of ``packmill-runner hub``."""

from __future__ import annotations

import argparse
from typing import Any

from generator.runner.server.options import add_serve
from generator.runner.server.quantities import count, duration, positive, size

default_data = "packmill-hub"
_OWN = ("--root", "--data", "--database", "--home-of", "--base-url", "--socket", "--host", "--port")
"""Options of ``serve`` that are not the same for all users; in one database, all would see each other's runs."""

_description = """\
Runs notebooks of the homes of JupyterHub's users over HTTP, as a service of the hub, which starts this command: see
"JupyterHub" in docs/serving.md for the lines of jupyterhub_config.py.

People sign in with the hub, programs send its tokens. Everyone reaches the own home alone, unless a scope allows more.
Notebooks run as the system user of the same name, in a 'packmill-runner serve' for each user, which is started when it
is needed. Options after -- are for these servers, such as -- --timeout 2h --workers 2."""

_epilog = """\
signals: SIGTERM and SIGINT let running runs finish (--shutdown-timeout), a second one interrupts them, which saves
their notebooks. The end of the hub is one, too.

exit codes: 0 stopped, 2 an option or the machine does not allow it"""


class _ServeOptions(argparse.Action):
    """Options of ``serve``, which are checked here: later, only a user's server would report an error."""

    def __call__(
        self, parser: argparse.ArgumentParser, namespace: argparse.Namespace, values: Any, _option: str | None = None
    ) -> None:
        """Check and store the options."""
        checked = argparse.ArgumentParser(prog=f"{parser.prog} --", add_help=False, allow_abbrev=False)
        add_serve(checked)
        checked.usage = f"{parser.prog} [OPTION]... [-- OPTION...]"
        checked.parse_args(values)
        if own := [name for name in (value.partition("=")[0] for value in values) if name in _OWN]:
            checked.error(f"{own[0]}: differs for each user's server, and is set by the service; leave it out")
        setattr(namespace, self.dest, values)


def add_hub(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``hub``."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.usage, parser.description, parser.epilog = "%(prog)s [OPTION]... [-- OPTION...]", _description, _epilog
    parser.add_argument("serve_options", nargs="*", action=_ServeOptions, help=argparse.SUPPRESS)
    _add_users(parser.add_argument_group("users"))
    _add_network(parser.add_argument_group("network"))
    _add_limits(parser.add_argument_group("limits"))
    _add_operation(parser.add_argument_group("operation"))


def _add_users(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--home",
        metavar="TEMPLATE",
        help="for hubs whose users share one system user (SimpleLocalProcessSpawner): their homes, such as "
        "'/tmp/{username}'. All notebooks run as that user, so people can read each other's files "
        "(default: the home of the system user of the same name)",
    )
    group.add_argument(
        "--least-uid",
        type=count,
        default=1000,
        metavar="N",
        help="run no notebooks of system users below this uid (default: %(default)s)",
    )
    group.add_argument(
        "--keep-variable",
        action="append",
        default=[],
        metavar="NAME",
        help="a variable of this process that users' notebooks get, too; can be repeated (default: only PATH, LANG and "
        "the like)",
    )
    group.add_argument(
        "--idle-timeout",
        type=duration,
        default="30m",
        metavar="DURATION",
        help="stop a user's server without requests, runs and schedules (default: %(default)s)",
    )
    group.add_argument(
        "--start-timeout",
        type=duration,
        default="60s",
        metavar="DURATION",
        help="for the start of a user's server (default: %(default)s)",
    )


def _add_network(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--trusted-proxy",
        action="append",
        default=["127.0.0.1", "::1"],
        metavar="ADDRESS",
        help="address or network of the hub's proxy, if it is on another machine; can be repeated",
    )
    group.add_argument(
        "--connections", type=positive, default=1000, metavar="N", help="open at once (default: %(default)s)"
    )
    group.add_argument(
        "--request-timeout",
        type=duration,
        default="30s",
        metavar="DURATION",
        help="for a request's head, and for each pause in its body (default: %(default)s)",
    )


def _add_limits(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--rate-limit",
        type=count,
        default=1200,
        metavar="N",
        help="requests a minute and person or service, 0 for any number (default: %(default)s)",
    )
    group.add_argument(
        "--requests-per-user",
        type=positive,
        default=50,
        metavar="N",
        help="requests of a person or service at once, with those that follow a run (default: %(default)s)",
    )
    group.add_argument(
        "--max-body",
        type=size,
        default="16M",
        metavar="SIZE",
        help="a request's body, other than uploads (default: %(default)s)",
    )
    group.add_argument(
        "--max-upload", type=size, default="1G", metavar="SIZE", help="a request's uploads (default: %(default)s)"
    )


def _add_operation(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--data",
        default=default_data,
        metavar="DIRECTORY",
        help="folder of the service alone: sockets, and who has schedules (default: %(default)s); runs are in "
        ".local/share/packmill of each home",
    )
    group.add_argument(
        "--external",
        action="store_true",
        help="go on when the process that started this command ends, which is not the hub",
    )
    group.add_argument(
        "--shutdown-timeout",
        type=duration,
        default="15s",
        metavar="DURATION",
        help="for running runs at a shutdown, before they are interrupted (default: %(default)s)",
    )
    group.add_argument(
        "--log-format",
        choices=("plain", "json"),
        default="plain",
        help="log lines on stderr: for people, or a JSON object each (default: %(default)s)",
    )
    group.add_argument(
        "--log-level",
        choices=("debug", "info", "warning"),
        default="info",
        help="info has a line for each request (default: %(default)s)",
    )
