"""The frame of every run: signals and time limits end it, and ``result.json`` describes it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from generator.runner.execution.watching import signals_as_failures
from generator.runner.results.result import RunRecord, check_status
from generator.shared.failures import disk_full_as_error, usage_errors_as_bad_inputs


@contextmanager
def recorded_run(
    record: RunRecord, folder: Path | None, *, time_limit: float | None, outputs: Callable[[Path], Iterable[Path]]
) -> Iterator[None]:
    """Run the block under signals and a time limit (seconds), then write ``result.json``, even after a failure.

    Without ``folder`` the file is not written. ``outputs`` lists the files of the run for a folder.

    Raises:
        RunFailedError: the block failed, was interrupted, exceeded the limit, or glued a failing status code.
        OSError: ``result.json`` of a successful run cannot be written.
    """
    try:
        with signals_as_failures(time_limit), disk_full_as_error(), usage_errors_as_bad_inputs():
            yield
            check_status(record)
    except BaseException as error:
        if folder is not None:
            with suppress(OSError):  # a full disk has no space for the file either
                record.write(folder, error, outputs=outputs(folder))
        raise
    if folder is not None:
        with disk_full_as_error():
            record.write(folder, None, outputs=outputs(folder))
