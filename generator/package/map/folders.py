"""The folders of rows, here and below a destination: from their numbers, or from a template with their values."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path

from generator.package.map.destinations import below, name_below, stage_out_input
from generator.package.map.rows import PlannedRow
from generator.shared.errors import UsageError
from generator.shared.path_templates import check_template, render_path
from generator.shared.removal import remove_tree

rows_folder = "rows"
"""The folder of all rows, in the output folder."""


def digits_of(rows: Sequence[PlannedRow]) -> int:
    """Return how many digits the numbers of rows need."""
    return len(str(len(rows)))


def row_folders(rows: Sequence[PlannedRow], template: str | None, *, digits: int | None = None) -> dict[int, str]:
    """Return the path of each row's folder below ``rows``, by the row's number.

    Numbers are written with at least ``digits`` digits; by default, as many as the last one needs.

    Raises:
        UsageError: the template is invalid, gives a row no folder, two rows one, or one row a folder inside another's.
    """
    width = digits or digits_of(rows)
    if template is None:
        return {row.number: f"{row.number:0{width}d}" for row in rows}
    check_template(template)
    now = datetime.now(timezone.utc)
    taken: dict[str, int] = {}
    for row in rows:
        args = {"row": f"{row.number:0{width}d}"}
        path = render_path(template, notebook="row", time=now, parameters=row.values, args=args).removesuffix(".ipynb")
        if path.startswith("/") or ".." in path.split("/"):
            raise UsageError(f"--folder-template: row {row.number} gets {path!r}, which is outside of the results")
        path = posixpath.normpath(path)  # "a//b" and "./a/b" are one folder
        if path == ".":  # that of all rows
            raise UsageError(f"--folder-template: row {row.number} gets no name for its folder; add {{{{ args.row }}}}")
        if path in taken:
            raise UsageError(
                f"--folder-template: rows {taken[path]} and {row.number} both get {path!r}; add {{{{ args.row }}}}"
            )
        taken[path] = row.number
    for path, number in taken.items():
        parts = path.split("/")
        for above in ("/".join(parts[:length]) for length in range(1, len(parts))):
            if above in taken:
                raise UsageError(f"--folder-template: row {number} is in the folder {above!r} of row {taken[above]}")
    return {number: path for path, number in taken.items()}


def delivered_apart(rows: Sequence[PlannedRow], folders: Mapping[int, str]) -> list[PlannedRow]:
    """Give each row a place of its own below a destination of all rows; ``folders`` are those of `row_folders`."""
    apart: list[PlannedRow] = []
    for row in rows:
        values = dict(row.values)
        if stage_out_input in values and stage_out_input not in row.given:
            values[stage_out_input] = below(values[stage_out_input], name_below(folders[row.number]))
        apart.append(replace(row, values=values))
    return apart


def remove_folder(folder: Path) -> None:
    """Remove a folder that a notebook wrote, also folders in it whose owner may not write to them.

    What the notebook put in the place of the folder is removed, too; a link is not followed.
    """
    if folder.is_symlink() or not folder.is_dir():
        folder.unlink(missing_ok=True)
    else:
        remove_tree(folder)
