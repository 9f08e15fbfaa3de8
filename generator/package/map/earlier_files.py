"""What an output folder has before a map: files of its user, and tables of an earlier map that it does not write."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path

from generator.package.map.folders import rows_folder
from generator.package.map.journal import Journal
from generator.package.map.report import report_file
from generator.package.map.results import csv_file, parquet_file
from generator.shared.errors import UsageError

_SOME = (parquet_file, report_file)
"""Files that some maps write, and others do not."""


def refuse_files_of_others(outdir: Path, journal: Journal, *, report: bool) -> None:
    """Refuse to begin a map in a folder with files that it would replace, and that no map wrote.

    Such as ``results.csv`` of the user's own, or results that were copied without the map's own files.

    Raises:
        UsageError: there is one; the message names it.
        sqlite3.Error: the journal cannot be written.
    """
    names = _made(report=report)
    if journal.has_begun():
        _refuse(outdir / name for name in names if journal.is_written(name) is False)
    else:
        rows = outdir / rows_folder
        in_rows = sorted(rows.iterdir())[:1] if rows.is_dir() else [rows]
        if rows.is_symlink():
            in_rows = []  # refused with all links
        _refuse((*(outdir / name for name in (csv_file, *names)), *in_rows))
    for name in _SOME:
        if name not in names and journal.is_written(name) is None:
            journal.note_written(name, is_written=False)


def _made(*, report: bool) -> list[str]:
    return [name for name, is_made in zip(_SOME, (find_spec("pyarrow"), report), strict=True) if is_made]


def _refuse(paths: Iterable[Path]) -> None:
    for path in paths:
        if os.path.lexists(path):
            raise UsageError(
                f"{path}: was not written by a map that --resume can continue, and a map would replace it; move it "
                "elsewhere, or choose another --outdir"
            )


def claim_tables(journal: Journal, *, report: bool) -> None:
    """Note which tables are about to be written: a map that is killed, or finds no space, may have written some.

    Raises:
        sqlite3.Error: the journal cannot be written.
    """
    for name in _made(report=report):
        journal.note_written(name, is_written=True)


def remove_outdated_tables(outdir: Path, journal: Journal, written: Sequence[Path]) -> None:
    """Remove a table or report that an earlier map wrote and this one did not, such as one without pyarrow.

    A file of the same name that no map wrote is the user's.

    Raises:
        OSError, sqlite3.Error: a file cannot be removed, or the journal not be written.
    """
    for name in _SOME:
        if outdir / name not in written and journal.is_written(name):
            with suppress(IsADirectoryError):  # the user's
                (outdir / name).unlink(missing_ok=True)
            journal.note_written(name, is_written=False)
