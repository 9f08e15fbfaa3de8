"""Tables and reports of an earlier map that a continued one does not write again."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from generator.package.map.journal import Journal
from generator.package.map.report import report_file
from generator.package.map.results import parquet_file


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
