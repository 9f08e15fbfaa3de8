"""Results that a continued map no longer has: of rows with other values or beyond its table's end, and tables.

Rows are only set aside: a wrong table would otherwise cost the results of hours.
"""

from __future__ import annotations

import os
import posixpath
import stat
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from generator.package.map.folders import rows_folder
from generator.package.map.journal import Journal
from generator.package.map.report import report_file
from generator.package.map.results import parquet_file
from generator.package.map.rows import PlannedRow
from generator.package.output_folder import find_link, refuse_links

outdated_folder = "outdated"
"""Where folders of outdated rows go, next to that of all rows."""


def set_aside_outdated(outdir: Path, journal: Journal, rows: Sequence[PlannedRow], folders: Mapping[int, str]) -> int:
    """Set the folders of outdated rows aside, and forget these rows; return how many there were.

    A map that is killed meanwhile leaves none of them as a row with results, and the next one sets the rest aside.

    Raises:
        UsageError: the folder for them, or one in it, is a link.
        OSError, sqlite3.Error: a folder cannot be moved, or the journal not be written.
    """
    if not (outdated := journal.outdated(rows, folders)):
        return 0
    journal.invalidate(sorted(outdated))
    kept = {folders[number] for number in journal.numbers() - outdated.keys()}
    kept_or_above = kept.union(*map(_folders_above, kept))
    for folder in outdated.values():
        # The journal may be a stranger's: it names folders below that of all rows, and through no link.
        is_below = posixpath.normpath(folder) == folder and folder.split("/")[0] not in ("", ".", "..")
        is_own = is_below and "\0" not in folder
        is_kept = folder in kept_or_above or not kept.isdisjoint(_folders_above(folder))
        if is_own and not is_kept and not find_link(outdir, posixpath.dirname(f"{rows_folder}/{folder}")):
            _set_aside(outdir, folder)
    journal.forget(sorted(outdated))
    return len(outdated)


def _set_aside(outdir: Path, folder: str) -> None:
    source, place = outdir / rows_folder / folder, f"{outdated_folder}/{folder}"
    if not os.path.lexists(source):
        return
    refuse_links(outdir, posixpath.dirname(place))
    target, number = outdir / place, 1
    while os.path.lexists(target):
        number += 1
        target = outdir / f"{place}_{number}"
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir() and not source.is_symlink():
        source.chmod(source.stat().st_mode | stat.S_IRWXU)  # a folder that nobody may write to cannot be moved
    source.rename(target)


def remove_outdated_tables(outdir: Path, journal: Journal, written: Sequence[Path]) -> None:
    """Remove a table or report that an earlier map wrote and this one did not, such as one without pyarrow.

    A file of the same name that no map wrote is the user's.

    Raises:
        OSError, sqlite3.Error: a file cannot be removed, or the journal not be written.
    """
    for name in (parquet_file, report_file):
        is_written = outdir / name in written
        if journal.change_written(name, is_written=is_written) and not is_written:
            with suppress(IsADirectoryError):  # the user's
                (outdir / name).unlink(missing_ok=True)


def _folders_above(folder: str) -> list[str]:
    parts = folder.split("/")
    return ["/".join(parts[:length]) for length in range(1, len(parts))]
