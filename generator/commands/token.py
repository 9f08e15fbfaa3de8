"""``packmill token``: create, list and revoke tokens of the CI service."""

from __future__ import annotations

import argparse
import os
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from generator.commands.parser import Commands, command

if TYPE_CHECKING:
    from generator.service.store.database import Database


def add(commands: Commands) -> None:
    """Add the command."""
    text = """\
Creates, lists and revokes tokens of 'packmill serve', also while it runs. A token is shown once, when it is created.

Roles:
  read   read everything but hooks and the audit log
  run    also start, cancel and repeat pipelines, and make schedules and change its own
  admin  also delete pipelines, logs and artifacts, have hooks, and read the audit log

Scopes limit what a token may do further: api (all that the role may), read_api (reading), trigger (starting pipelines).
Without --role, a token has the scope api and the role admin."""
    parser = command(commands, "token", "create, list and revoke tokens of the service", text)
    parser.add_argument("action", choices=("create", "list", "revoke"))
    parser.add_argument("name", nargs="?", help="name of the token: its owner or purpose")
    parser.add_argument("--role", choices=("read", "run", "admin"), help="role of a new token (default: admin)")
    parser.add_argument("--scope", action="append", default=[], metavar="SCOPE", help="may be given several times")
    parser.add_argument("--expires", metavar="TIME", help="such as '30 days' (default: never)")
    parser.add_argument("--data", type=Path, default=Path("packmill-data"), metavar="DIR", help="as for packmill serve")
    parser.add_argument("--database", metavar="URL", help="as for packmill serve")
    parser.set_defaults(command=run)


def run(options: argparse.Namespace) -> int:
    """Run the command; return its exit code."""
    from generator.request.secret_files import with_secret_files
    from generator.service.store.opening import failures_named, open_database
    from generator.shared.errors import UsageError

    if options.action != "list" and not options.name:
        raise UsageError(f"packmill token {options.action} needs a name")
    url = options.database or with_secret_files(os.environ).get("PACKMILL_DATABASE")
    with failures_named(options.data), closing(open_database(options.data, url)) as database:
        _manage(database, options)
    return 0


def _manage(database: Database, options: argparse.Namespace) -> None:
    from generator.service.project.durations import seconds
    from generator.service.store import tokens
    from generator.shared.errors import UsageError

    if options.action == "create":
        expires = None if options.expires is None else seconds(options.expires, "--expires")
        if expires is not None and expires <= 0:
            raise UsageError(f"--expires {options.expires}: the token would have expired; give a longer time")
        scopes = options.scope or tokens.roles.get(options.role, ("api",))
        role = options.role or "admin"
        show = partial(print, flush=True)
        tokens.create(database, name=options.name, scopes=scopes, role=role, expires_in=expires, show=show)
    elif options.action == "revoke":
        if not tokens.revoke(database, options.name):
            raise UsageError(f"{options.name!r}: no valid token of this name; see packmill token list")
    else:
        for one in tokens.list_tokens(database):
            state = (
                "revoked" if one["revoked_at"] else f"expires {_day(one['expires_at'])}" if one["expires_at"] else ""
            )
            role = one["role"] or "admin"
            print(f"{one['name']:<24}{role:<8}{','.join(one['scopes']):<20}{_day(one['created_at'])}  {state}".rstrip())


def _day(seconds: float) -> str:
    from datetime import datetime, timezone

    return datetime.fromtimestamp(seconds, tz=timezone.utc).strftime("%Y-%m-%d")
