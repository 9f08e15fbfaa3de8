"""``packmill prune``: remove old images, records and pipelines that nothing uses."""

from __future__ import annotations

import argparse
import os
from contextlib import nullcontext
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
    parser.add_argument(
        "--only", choices=("images", "pipelines"), help="remove images with their records, or pipelines (default: both)"
    )
    parser.add_argument(
        "--image-quota",
        metavar="SIZE",
        help="also remove younger unused images, the oldest first, until packmill's images fit, such as 50GB",
    )
    parser.add_argument(
        "--keep-bases", action="store_true", help="keep the base images that packmill made, which only root can rebuild"
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
    from generator.shared.errors import DiskFullError, UsageError

    if not 0 <= options.older_than <= 36500:
        raise UsageError(f"--older-than {options.older_than:g}: give a number of days from 0")
    before = time.time() - options.older_than * 86400
    images, size = _images(options, before) if options.only != "pipelines" else ((), None)
    notes = old_notes(before=before) if options.only != "pipelines" else ()
    database = options.database or with_secret_files(os.environ).get("PACKMILL_DATABASE") or None
    pipelines = old_pipelines(options.data, database=database, before=before, is_removing=options.yes)
    try:
        with pipelines if options.only != "images" else nullcontext(()) as ended:
            removals = (*images, *notes, *ended)
            failed = [one for one in removals if not one.remove()] if options.yes else []
    except DiskFullError as error:
        raise DiskFullError(error.error, "run the command again; with --only images it needs none") from None
    left = None if size is None else size - sum(one.size for one in images if one not in failed)
    if options.json:
        from generator.shared.safe_text import json_for_terminal

        print(json_for_terminal(to_dict(removals, failed, is_removed=options.yes, images=left)))
    else:
        _print(removals, failed, is_removed=options.yes)
    _warn_of_quota(options, left)
    return 0


def _warn_of_quota(options: argparse.Namespace, left: int | None) -> None:
    """Report that images in use do not fit the quota; without --yes, ``left`` is what --yes would leave."""
    import sys

    from generator.shared.size_text import size_text

    if options.image_quota and left is not None and left > _quota(options):
        print(f"packmill's images take {size_text(left)}; the rest is in use", file=sys.stderr)


def _quota(options: argparse.Namespace) -> int:
    from generator.shared.errors import UsageError
    from generator.shared.size_text import read_size

    try:
        return read_size(options.image_quota)
    except ValueError as error:
        raise UsageError(f"--image-quota {error}") from None


def _images(options: argparse.Namespace, before: float) -> tuple[tuple[Removal, ...], int | None]:
    """Return the images to remove, and the bytes of all of packmill's images, None without an engine."""
    import sys

    from generator.containers.local_images import list_images
    from generator.machine.pruning.images import images_over, old_images, own_base, total_size
    from generator.machine.pruning.packages import used_by_artifacts, used_by_packages
    from generator.shared.errors import EngineMissingError

    folders = options.output or [Path("packages")]
    used = used_by_artifacts(options.data).union(*map(used_by_packages, folders))
    for folder in folders:
        if not folder.is_dir():
            print(f"{folder}: no such folder; name the folders of your packages with --output", file=sys.stderr)
    quota = _quota(options) if options.image_quota else None
    try:
        images = list_images()
    except EngineMissingError:
        print("no container engine answers: images are not listed", file=sys.stderr)
        return (), None
    if options.keep_bases:
        used |= {name for image in images for name in image.names if name.startswith(own_base)}
    found = old_images(images, before=before, used=used)
    if quota is not None:
        found = max(found, images_over(images, quota=quota, used=used), key=len)  # the longer one has the other
    return found, total_size(images)


def _print(removals: tuple[Removal, ...], failed: list[Removal], *, is_removed: bool) -> None:
    from generator.machine.pruning.report import describe, total
    from generator.shared.safe_text import printable

    for line in describe([one for one in removals if one not in failed]):
        print(line)
    for one in failed:
        print(f"in use, not removed: {printable(one.name)}")
    removed = [one for one in removals if one not in failed]
    if not removals:
        print("nothing to remove")
    else:
        print(f"removed: {total(removed)}" if is_removed else f"{total(removed)}; remove them with --yes")
