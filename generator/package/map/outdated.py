"""Results of rows that the table no longer has: with other values or another folder, or beyond its end."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping, Sequence
from pathlib import Path

from generator.package.map.folders import remove_folder, rows_folder
from generator.package.map.journal import Journal
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


def _folders_above(folder: str) -> list[str]:
    parts = folder.split("/")
    return ["/".join(parts[:length]) for length in range(1, len(parts))]
