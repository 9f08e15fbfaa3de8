"""The options of ``packmill-runner gateway --api jupyter-websocket``: packmill's own, next to the Kernel Gateway's."""

from __future__ import annotations

import argparse
import os

from generator.runner.server.gateway.modes import only_websocket
from generator.runner.server.gateway.options import OptionGroup
from generator.runner.server.gateway.original import taken
from generator.runner.server.gateway.websocket.words import original_option, remarks_on_variables
from generator.runner.server.quantities import count, duration, size, time_limit

_description = """\
Serves kernels to clients such as JupyterLab or 'jupyter server --gateway-url': the Jupyter Kernel Gateway itself, in
its mode jupyter-websocket, with packmill's kernels, limits and tokens. It needs a package: pip install
'packmill[gateway]', or, in images, 'packmill build --kernel-gateway'.

All options of the Kernel Gateway are taken, such as --KernelGatewayApp.auth_token=X, --auth-token X, --list-kernels or
--MappingKernelManager.cull_idle_timeout=600, all of its variables, such as KG_AUTH_TOKEN, and its configuration files;
--help-all shows them. The options below have a variable, too: PACKMILL_GATEWAY_CONNECTIONS=200 is --connections 200.
Durations are written as 90s, 30m or 12h, sizes as 500M or 10G."""

_epilog = """\
signals: SIGTERM and SIGINT let running cells finish (--shutdown-timeout), a second one ends them.

exit codes: 0 stopped, 1 a kernel of --prespawn-count did not start, 2 an option or the machine does not allow it, 3 the
seed notebook is missing, 4 no kernel"""


def add_websocket(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.usage = "%(prog)s --api jupyter-websocket [OPTION]..."
    parser.description, parser.epilog = _description, _epilog
    parser.add_argument("notebooks", nargs="*", help=argparse.SUPPRESS)
    parser.add_argument(original_option, action="append", default=[], help=argparse.SUPPRESS)
    _add_kernels(OptionGroup(parser.add_argument_group("kernels")))
    _add_access(OptionGroup(parser.add_argument_group("access")))
    _add_limits(OptionGroup(parser.add_argument_group("limits")))
    parser.set_defaults(
        mode="jupyter-websocket", remarks=remarks_on_variables(os.environ, {**taken, **only_websocket, **_SSL})
    )


_SSL = {"ssl_version": "KG_SSL_VERSION"}


def _add_kernels(group: OptionGroup) -> None:
    group.own(
        "--no-fork",
        action="store_true",
        help="start Python kernels by the commands of their kernelspecs, with the debugger (default: as forks of a "
        "process that has imported ipykernel)",
    )
    group.own("--kernel-memory", type=size, metavar="SIZE", help="of a kernel with its children (default: no limit)")
    group.own(
        "--kernel-lifetime", type=time_limit, metavar="DURATION", help="longest life of a kernel (default: no limit)"
    )


def _add_access(group: OptionGroup) -> None:
    group.own(
        "--token-file",
        metavar="FILE",
        help="tokens, one NAME:ROLE:TOKEN a line, or one token alone; a role is read, run or admin",
    )
    group.own("--data", metavar="DIRECTORY", help="folder with the tokens of 'packmill-runner token' (default: none)")
    group.own(
        "--allowed-host",
        action="append",
        metavar="NAME",
        help="name by which a server without a token may be called, in addition to localhost; can be repeated",
    )
    group.own(
        "--rate-limit", type=count, default=0, metavar="N", help="requests a minute and token (default: no limit)"
    )


def _add_limits(group: OptionGroup) -> None:
    group.own(
        "--max-body",
        type=size,
        default="64M",
        metavar="SIZE",
        help="a request's body, and a message to a kernel (default: %(default)s)",
    )
    group.own("--connections", type=count, default=1000, metavar="N", help="open at once (default: %(default)s)")
    group.own(
        "--request-timeout",
        type=duration,
        default="60s",
        metavar="DURATION",
        help="for a request's head and body, and between two of a connection (default: %(default)s)",
    )
    group.own(
        "--shutdown-timeout",
        type=duration,
        default="30s",
        metavar="DURATION",
        help="for running cells at a shutdown (default: %(default)s)",
    )
    group.own(
        "--access-log", choices=("plain", "json", "none"), default="plain", help="form of a line for each request"
    )
