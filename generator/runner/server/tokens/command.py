"""``packmill-runner token``: create, list and revoke the tokens of a data folder."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from contextlib import closing
from datetime import datetime, timezone
from functools import partial
from pathlib import Path

from generator.runner.server.options import default_data
from generator.runner.server.quantities import lifetime
from generator.runner.server.runs.store import StoreUnavailableError
from generator.runner.server.tokens.role import roles
from generator.runner.server.tokens.store import TokenStore
from generator.runner.server.tokens.token import Token
from generator.shared.failures import BadInputsError, DiskFullError
from generator.shared.sqlite_errors import is_without_space

_description = """\
Creates, lists and revokes the tokens of 'packmill-runner serve'. A token is printed once, when it is created; the data
folder has only its digest. A server that runs accepts a new token, and refuses a revoked one, at once. Runs that a
revoked token has started, also those that wait, go on: dismiss them with a token of the role admin.

Roles:
  run    start runs; see, cancel and read its own runs
  read   see and read the runs of all, start none
  admin  everything"""


def add_token(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.description = _description
    parser.add_argument("action", choices=("create", "list", "revoke"))
    parser.add_argument("name", nargs="?", metavar="NAME", help="the token's name; its runs belong to this name")
    parser.add_argument("--role", choices=roles, default="run", help="role of a new token (default: %(default)s)")
    parser.add_argument(
        "--expires", type=lifetime, metavar="DURATION", help="lifetime of a new token, such as 90d (default: no end)"
    )
    parser.add_argument(
        "--data", default=default_data, metavar="DIRECTORY", help="data folder of the server (default: %(default)s)"
    )


def manage_tokens(options: argparse.Namespace, say: Callable[[str], None]) -> int:
    """Run the command and return the exit code.

    Raises:
        BadInputsError: the name is missing, invalid, in use or unknown, or the file of tokens is locked or broken.
        DiskFullError: its disk is full.
        OSError: the data folder cannot be written to.
    """
    if options.action != "list" and not options.name:
        raise BadInputsError(f"token {options.action}: NAME is missing")
    data = Path(options.data)
    data.mkdir(parents=True, exist_ok=True, mode=0o700)
    try:
        with closing(TokenStore(data)) as store:
            _manage(store, options, say)
    except StoreUnavailableError as error:
        kind = DiskFullError if is_without_space(error, data) else BadInputsError
        raise kind(f"--data {data}: the file of tokens cannot be used: {error}") from None
    return 0


def _manage(store: TokenStore, options: argparse.Namespace, say: Callable[[str], None]) -> None:
    if options.action == "create":
        store.create(options.name, options.role, lifetime=options.expires, show=partial(print, flush=True))
        say(f"packmill-runner: token {options.name!r} ({options.role}) created; it is shown only once")
    elif options.action == "list":
        for token in store.all():
            print(_line(token))
    elif not store.revoke(options.name):
        raise BadInputsError(
            f"token {options.name!r}: not found in {options.data}; 'packmill-runner token list' has all"
        )


def _line(token: Token) -> str:
    return f"{token.name}  {token.role}  created {_day(token.created)}, expires {_day(token.expires)}"


def _day(time: float | None) -> str:
    return "never" if time is None else f"{datetime.fromtimestamp(time, timezone.utc):%Y-%m-%d %H:%M} UTC"
