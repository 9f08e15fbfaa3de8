"""``packmill audit``: read the audit log of the CI service."""

from __future__ import annotations

import argparse
import json
import os
from contextlib import closing
from pathlib import Path

from generator.commands.parser import Commands, command

_MOST = 1 << 63
"""More events than a database counts."""


def add(commands: Commands) -> None:
    """Add the command."""
    text = """\
Prints the audit log of 'packmill serve', oldest event first, also while it runs: created and revoked tokens, sign-ins,
started, canceled, repeated and deleted pipelines and jobs, uploads, kept artifacts, hooks, schedules and prunes. Each
line has the time (UTC), the event, its target, its author and the author's address. The log has no secrets, and is
never changed."""
    parser = command(commands, "audit", "print the audit log of the service", text)
    parser.add_argument("--last", type=int, metavar="N", help="the last N events only")
    parser.add_argument("--json", action="store_true", help="one JSON object a line, as of the API")
    parser.add_argument("--data", type=Path, default=Path("packmill-data"), metavar="DIR", help="as for packmill serve")
    parser.add_argument("--database", metavar="URL", help="as for packmill serve")
    parser.set_defaults(command=run)


def run(options: argparse.Namespace) -> int:
    """Run the command; return its exit code."""
    from generator.request.secret_files import with_secret_files
    from generator.service.api.audit_events import event_entity
    from generator.service.store import audit
    from generator.service.store.database import rows
    from generator.service.store.opening import failures_named, open_database
    from generator.shared.errors import UsageError
    from generator.shared.safe_text import printable

    url = options.database or with_secret_files(os.environ).get("PACKMILL_DATABASE")
    if options.last is not None and not 0 < options.last < _MOST:
        raise UsageError(f"--last {options.last}: not a number from 1 to {_MOST - 1}")
    if not url and not options.data.is_dir():
        raise UsageError(f"{options.data}: not found; name the folder of the service with --data")
    with (
        failures_named(options.data),
        closing(open_database(options.data, url)) as database,
        database.connection() as connection,
    ):
        found = rows(connection, audit.listed().limit(options.last))
    for one in reversed(found):
        entity = event_entity(one)
        details = entity["details"]
        words = (
            entity["created_at"],
            entity["event_name"],
            details["target_details"] or "-",
            details["author_name"] or "-",
        )
        line = "  ".join((*words, details["ip_address"] or "-"))
        print(json.dumps(entity) if options.json else printable(line))
    return 0
