"""The options of ``packmill-runner gateway``."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from typing import Any

from generator.runner.server.gateway.environment import variable_prefix
from generator.runner.server.gateway.modes import find_mode
from generator.runner.server.gateway.original import read_variables, switches, translate
from generator.runner.server.quantities import count, duration, size, time_limit
from generator.runner.server.variable_options import add_option, is_true

_description = """\
Serves annotated cells of notebooks as an HTTP API, like the mode notebook-http of the Jupyter Kernel Gateway: a cell
that begins with '# GET /hello/:name' answers this request. Each request gets the state that the other cells left.

NOTEBOOK is a file or an address. With a prefix, as in /v2=NOTEBOOK, its paths are below /v2.

With --api jupyter-websocket, the server gives kernels to clients such as JupyterLab instead, and has other options: see
packmill-runner gateway --api jupyter-websocket --help.

Options of the Kernel Gateway can be written as there, such as --KernelGatewayApp.auth_token=X, and their variables have
the same names, such as KG_AUTH_TOKEN. The others have a variable, too: PACKMILL_GATEWAY_QUEUE=200 is --queue 200.
Durations are written as 90s, 30m or 12h, sizes as 500M or 10G."""

_epilog = """\
signals: SIGTERM and SIGINT let requests finish (--shutdown-timeout).

exit codes: 0 stopped, 1 a cell failed at the start, 2 an option or the machine does not allow it, 3 a notebook is
missing, 4 no kernel"""


def translate_words(words: Sequence[str]) -> list[str]:
    """Replace the Kernel Gateway's spelling of options by the parser's.

    Raises:
        BadInputsError: an option is refused, or not one of the Kernel Gateway's.
    """
    if find_mode(words, os.environ) == "jupyter-websocket":
        from generator.runner.server.gateway.websocket.words import translate_websocket

        return translate_websocket(words)
    return translate(words)


def add_gateway(parser: argparse.ArgumentParser, words: Sequence[str]) -> None:
    """Add the options of ``gateway`` in the mode that the command line ``words`` chooses.

    Raises:
        BadInputsError: a variable of the Kernel Gateway is refused.
    """
    mode = find_mode(words, os.environ)
    if mode == "jupyter-websocket":
        from generator.runner.server.gateway.websocket.options import add_websocket

        add_websocket(parser)
        return
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.usage, parser.description, parser.epilog = "%(prog)s [OPTION]... [PREFIX=]NOTEBOOK...", _description, _epilog
    parser.add_argument("notebooks", nargs="*", metavar="NOTEBOOK", help="default: that of --seed-uri")
    _add_notebooks(OptionGroup(parser.add_argument_group("notebooks and kernels")))
    _add_network(OptionGroup(parser.add_argument_group("network")))
    _add_access(OptionGroup(parser.add_argument_group("access")))
    _add_limits(OptionGroup(parser.add_argument_group("limits")))
    values, parser_remarks = read_variables(os.environ)
    parser.set_defaults(
        mode=mode,
        remarks=parser_remarks,
        **{name: is_true(value) if name in switches else value for name, value in values.items()},
    )


class OptionGroup:
    """A group of options, of which those that are not the Kernel Gateway's have variables."""

    def __init__(self, group: argparse._ArgumentGroup) -> None:
        self._group = group

    def original(self, name: str, **named: Any) -> None:
        """Add an option that the Kernel Gateway has."""
        self._group.add_argument(name, **named)

    def own(self, name: str, **named: Any) -> None:
        """Add an option that the Kernel Gateway does not have."""
        add_option(self._group, name, prefix=variable_prefix, **named)

    def switch(self, name: str, **named: Any) -> None:
        """Add a switch that the Kernel Gateway has."""
        self._group.add_argument(f"--{name}", action="store_true", default=False, **named)
        self._group.add_argument(
            f"--no-{name}", dest=name.replace("-", "_"), action="store_false", help=argparse.SUPPRESS
        )


def _add_notebooks(group: OptionGroup) -> None:
    group.original("--seed-uri", metavar="NOTEBOOK", help="the notebook, if no other is named")
    group.own(
        "--shared-kernel",
        action="store_true",
        help="requests share the state of --prespawn-count kernels that take turns, as in the Kernel Gateway; kernels "
        "of other languages than Python always do",
    )
    group.own(
        "--no-fork",
        action="store_true",
        help="run the cells without an annotation again for each request, for libraries that no fork of their process "
        "can use",
    )
    group.original(
        "--prespawn-count",
        type=count,
        metavar="N",
        help="requests at once of a notebook; with shared state, its kernels (default: two for each processor; 1 with "
        "shared state)",
    )
    group.original("--max-kernels", type=count, metavar="N", help="the largest number for --prespawn-count")
    group.original("--force-kernel-name", metavar="NAME", help="kernel of all notebooks")
    group.original("--default-kernel-name", metavar="NAME", help="kernel of notebooks that name none")
    group.original("--api", metavar="MODE", help="notebook-http (default) or jupyter-websocket")


def _add_network(group: OptionGroup) -> None:
    group.original("--ip", default="127.0.0.1", metavar="ADDRESS", help="address to listen on (default: %(default)s)")
    group.original("--port", type=count, default=8888, metavar="N", help="port, 0 for any (default: %(default)s)")
    group.original(
        "--port-retries", type=count, default=0, metavar="N", help="ports after --port to try if it is in use"
    )
    group.original("--base-url", default="/", metavar="PATH", help="path that all others are below")
    group.original("--certfile", metavar="FILE", help="certificate for https")
    group.original("--keyfile", metavar="FILE", help="private key for https")
    group.original("--client-ca", metavar="FILE", help="certificates that clients must have signed theirs with")
    group.switch("trust-xheaders", help="trust X-Forwarded-For and X-Forwarded-Proto of any proxy")
    group.original("--allow-origin", default="", metavar="TEXT", help="the header Access-Control-Allow-Origin")
    for name in ("credentials", "headers", "methods"):
        group.original(f"--allow-{name}", default="", metavar="TEXT", help=f"Access-Control-Allow-{name.title()}")
    group.original("--expose-headers", default="", metavar="TEXT", help="Access-Control-Expose-Headers")
    group.original("--max-age", default="", metavar="TEXT", help="Access-Control-Max-Age")


def _add_access(group: OptionGroup) -> None:
    group.original(
        "--auth-token", default="", metavar="TOKEN", help="token that requests need; better set KG_AUTH_TOKEN"
    )
    group.own("--token-file", metavar="FILE", help="file with that token")
    group.own(
        "--allowed-host",
        action="append",
        metavar="NAME",
        help="name by which a server without a token may be called, in addition to localhost, if it listens on it "
        "alone; can be repeated",
    )
    group.switch("allow-notebook-download", help="serve the notebooks at /_api/source")
    group.original("--static-path", metavar="DIRECTORY", help="serve its files below /public, without a token")


def _add_limits(group: OptionGroup) -> None:
    group.own("--queue", type=count, default=100, metavar="N", help="waiting requests of a notebook (default: 100)")
    group.own("--timeout", type=time_limit, metavar="DURATION", help="for a request, 0 for none (default: no limit)")
    group.own("--max-body", type=size, default="16M", metavar="SIZE", help="a request's body (default: %(default)s)")
    group.own("--max-upload", type=size, default="1G", metavar="SIZE", help="files of a form (default: %(default)s)")
    group.own("--max-response", type=size, default="256M", metavar="SIZE", help="a response (default: %(default)s)")
    group.own("--connections", type=count, default=1000, metavar="N", help="open at once (default: %(default)s)")
    group.own(
        "--request-timeout",
        type=duration,
        default="30s",
        metavar="DURATION",
        help="for each pause in a request's body (default: %(default)s)",
    )
    group.own(
        "--shutdown-timeout",
        type=duration,
        default="30s",
        metavar="DURATION",
        help="for running requests at a shutdown (default: %(default)s)",
    )
    group.original("--log-level", type=_level, default="WARN", metavar="LEVEL", help="INFO has a line for each request")


def _level(text: str) -> int:
    names = {"DEBUG": 10, "INFO": 20, "WARN": 30, "WARNING": 30, "ERROR": 40, "CRITICAL": 50}
    if text.upper() in names:
        return names[text.upper()]
    if not text.isdigit():
        raise argparse.ArgumentTypeError(f"{text!r} is not one of {', '.join(names)}, or a number")
    return int(text)
