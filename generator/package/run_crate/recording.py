"""Run a package, and write the crate of the run."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from generator.package.run_crate.crate import write_run_crate
from generator.package.run_crate.run import Given, Run
from generator.shared.errors import RunError


def recorded(run: Callable[[], dict[str, Any]], given: Given, folder: Path) -> dict[str, Any]:
    """Return the output object of a run, after writing its crate to a folder; a run that fails has a crate too.

    Raises:
        RunError: the run failed, or its crate cannot be written.
    """
    started = _now()
    try:
        outputs = run()
    except RunError as error:
        write_run_crate(folder, Run(given=given, started=started, ended=_now(), error=str(error)))
        raise
    write_run_crate(folder, Run(given=given, started=started, ended=_now(), outputs=outputs))
    return outputs


def _now() -> datetime:
    return datetime.now(timezone.utc)
