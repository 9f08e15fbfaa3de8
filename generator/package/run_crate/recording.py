"""Run a package, and write the crate of the run."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime, timezone
from functools import partial
from pathlib import Path
from typing import Any

from generator.package.run_crate.crate import write_run_crate
from generator.package.run_crate.data import LEFT_OUT
from generator.package.run_crate.documents import DocumentsTooLargeError, kept_documents
from generator.package.run_crate.files import stamps
from generator.package.run_crate.run import Given, Run
from generator.progress import Progress
from generator.shared.errors import DiskFullError, RunError, UsageError
from generator.shared.passing_errors import is_full_disk
from generator.shared.safe_text import printable


def recorded(run: Callable[[], dict[str, Any]], given: Given, folder: Path) -> dict[str, Any]:
    """Return the output object of a run, after writing its crate to a folder; a run that fails has a crate too.

    The crate has the documents that the package had before the run, and states which inputs changed since.

    Raises:
        UsageError: the documents are too large for a crate; nothing was started.
        RunError: the run failed, or its crate cannot be written.
        DiskFullError: the results do not fit on their disk.
    """
    with ExitStack() as held:
        with _reading_failures_named(folder):
            documents = held.enter_context(kept_documents(given.document))
        before, started = _stamps(given), _now()
        error: RunError | DiskFullError | None = None
        outputs = dict[str, Any]()
        try:
            outputs = run()
        except (RunError, DiskFullError) as failure:
            error = failure
        done = partial(Run, given=given, started=started, ended=_now(), changed=_changed(given, before))
        write_run_crate(folder, done(error=str(error)) if error else done(outputs=outputs), documents)
        if error:
            raise error
    return outputs


@contextmanager
def _reading_failures_named(folder: Path) -> Iterator[None]:
    try:
        yield
    except DocumentsTooLargeError as error:
        raise UsageError(f"--provenance {folder}: {error}; run it without --provenance") from None
    except OSError as error:
        if is_full_disk(error):
            raise DiskFullError(error, folder=folder) from None
        problem = f"the documents cannot be copied before the run: {error.strerror or error}"
        raise RunError(f"--provenance {folder}: {problem}") from None


def _stamps(given: Given) -> dict[Path, str]:
    hidden = LEFT_OUT | given.secrets
    return stamps([value for name, value in given.job.items() if name not in hidden])


def _changed(given: Given, before: dict[Path, str]) -> frozenset[Path]:
    """Return the inputs that changed after the run began, with a warning."""
    changed = frozenset(path for path, stamp in _stamps(given).items() if stamp != before[path])
    if changed:
        first = printable(str(min(changed)))
        more = f" and {len(changed) - 1} more" if len(changed) > 1 else ""
        Progress().warn(f"--provenance: {first}{more} changed after the run had begun; its crate states this")
    return changed


def _now() -> datetime:
    return datetime.now(timezone.utc)
