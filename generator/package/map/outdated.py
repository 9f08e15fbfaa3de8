"""Results that a continued map no longer has: of rows with other values or beyond its table's end, and tables."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from generator.package.map.folders import remove_folder, rows_folder
from generator.package.map.journal import Journal
from generator.package.map.report import report_file
from generator.package.map.results import parquet_file
from generator.package.map.rows import PlannedRow
from generator.package.output_folder import find_link


def remove_outdated(outdir: Path, journal: Journal, rows: Sequence[PlannedRow], folders: Mapping[int, str]) -> int:
    """Remove the folders of outdated rows, and forget these rows; return how many there were.

    A map that is killed meanwhile leaves none of them as a row with results, and the next one removes the rest.

    Raises:
        OSError, sqlite3.Error: a folder cannot be removed, or the journal not be written.
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
            remove_folder(outdir / rows_folder / folder)
    journal.forget(sorted(outdated))
    return len(outdated)


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
