"""Check a table against a package without running it, and read the values of all its rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from generator.notebook.parameters import Hint
from generator.package.assignments import typed_values
from generator.package.file_objects import is_inside, refuse_local_files
from generator.package.hints import read_hints
from generator.package.job_file import read_job
from generator.package.map import tables
from generator.package.map.rows import plan_rows


def check_table(package: Path, *, table: str, product: Sequence[str], values: Sequence[str], local: bool) -> int:
    """Check a table, or without one a product, as a job would run it; return the number of rows.

    ``values`` are assignments for all rows. Paths start at the package's folder; ``local`` allows files elsewhere.

    Raises:
        UsageError: rows or values do not fit.
    """
    only = None if local else package
    hints = read_hints(package)
    own = {name: value for name, value in read_job(package / "inputs.yml").items() if is_inside(value, package)}
    shared = {**own, **values_of_all(values, hints, package, only)}
    rows = tables.read_table(Path(table)) if table else tables.product(product)
    return len(plan_rows(rows, shared, hints, folder=package, only=only))


def values_of_all(
    assignments: Sequence[str], hints: Mapping[str, Hint], folder: Path, only: Path | None
) -> dict[str, Any]:
    """Return the values of all rows; ``only`` is the one folder of this machine whose files they may have.

    Raises:
        UsageError: a value does not fit, or has another file.
    """
    values = typed_values(assignments, hints, folder, only)
    if only is not None:
        refuse_local_files(values, only)
    return values
