"""The roles of a run's results in a STAC catalog."""

from __future__ import annotations

from generator.shared import contract


def result_roles(relative: str) -> tuple[str, ...]:
    """Return the roles of a result; the runner's own files are metadata."""
    own = relative.endswith(".ipynb") or relative in (contract.result_file, contract.scraps_file)
    return ("metadata",) if own else ("data",)
