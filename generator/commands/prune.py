"""``packmill prune``: remove old images, records and pipelines that nothing uses."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING

from generator.commands.parser import Commands, command

if TYPE_CHECKING:
    from generator.machine.pruning.removal import Removal


def add(commands: Commands) -> None:
    """Add the command."""
    text = """\
Lists the old things that packmill made and nothing uses, with the space that they take; --yes removes them. Images of
packages, environments, runners and other layers go if they have packmill's labels and names, and no container, no
package below --output or among the service's artifacts, and no newer image uses them. Images with a name of your own
(--image), images without a name, packages, and the engine's build cache stay. Old pipelines of a service go with their
logs and artifacts, except those whose artifacts are kept; stop the service first."""
    parser = command(commands, "prune", "remove old images, records and pipelines", text)
    parser.add_argument(
        "--older-than", type=float, default=30, metavar="DAYS", help="age of what is removed (default: %(default)s)"
    )
    parser.add_argument(
        "--output",
        type=Path,
        action="append",
        metavar="DIR",
        help="folder with packages whose images stay; may be given several times (default: packages)",
    )
    parser.add_argument(
        "--data",
        type=Path,
        default=Path("packmill-data"),
        metavar="DIR",
        help="data folder of 'packmill serve' (default: %(default)s)",
    )
    parser.add_argument(
        "--database", metavar="URL", help="database of the service, as for 'packmill serve' (default: SQLite in DIR)"
    )
    parser.add_argument("--yes", action="store_true", help="remove what is listed")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.set_defaults(command=run)


def run(options: argparse.Namespace) -> int:
    """Run the command; return its exit code."""
    import time

    from generator.machine.pruning.cached_notes import old_notes
    from generator.machine.pruning.report import to_dict
    from generator.machine.pruning.service_data import old_pipelines
    from generator.request.secret_files import with_secret_files
    from generator.shared.errors import UsageError

    if not 0 <= options.older_than <= 36500:
        raise UsageError(f"--older-than {options.older_than:g}: give a number of days from 0")
    before = time.time() - options.older_than * 86400
    images = _images(options, before)
    database = options.database or with_secret_files(os.environ).get("PACKMILL_DATABASE") or None
    with old_pipelines(options.data, database=database, before=before, is_removing=options.yes) as ended:
        removals = (*images, *old_notes(before=before), *ended)
        failed = [one for one in removals if not one.remove()] if options.yes else []
    if options.json:
        import json

        print(json.dumps(to_dict(removals, failed, is_removed=options.yes), indent=1, ensure_ascii=False))
    else:
        _print(removals, failed, is_removed=options.yes)
    return 0


def _images(options: argparse.Namespace, before: float) -> tuple[Removal, ...]:
    import sys

    from generator.containers.local_images import list_images
    from generator.machine.pruning.images import old_images
    from generator.machine.pruning.packages import used_by_artifacts, used_by_packages
    from generator.shared.errors import EngineMissingError

    folders = options.output or [Path("packages")]
    for folder in folders:
        if not folder.is_dir():
            print(f"{folder}: no such folder; name the folders of your packages with --output", file=sys.stderr)
    used = used_by_artifacts(options.data).union(*map(used_by_packages, folders))
    try:
        return old_images(list_images(), before=before, used=used)
    except EngineMissingError:
        print("no container engine answers: images are not listed", file=sys.stderr)
        return ()


def _print(removals: tuple[Removal, ...], failed: list[Removal], *, is_removed: bool) -> None:
    from generator.machine.pruning.report import describe, total

    for line in describe([one for one in removals if one not in failed]):
        print(line)
    for one in failed:
        print(f"in use, not removed: {one.name}")
    removed = [one for one in removals if one not in failed]
    if not removals:
        print("nothing to remove")
    else:
        print(f"removed: {total(removed)}" if is_removed else f"{total(removed)}; remove them with --yes")
