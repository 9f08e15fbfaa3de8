"""The frame of every run: signals and time limits end it, and ``result.json`` describes it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from generator.runner.execution.watching import signals_as_failures
from generator.runner.results.result import RunRecord, check_status
from generator.shared.failures import (
    InterruptedRunError,
    RunFailedError,
    disk_full_as_error,
    usage_errors_as_bad_inputs,
)

_LEAST_FOR_DIGESTS = 10.0
"""Seconds that the digests of the results may take, if less is left of the time limit."""
_AFTER_A_SIGNAL = 5.0
"""Seconds that they may take after a signal: those who send one often kill the runner after ten."""


@contextmanager
def recorded_run(
    record: RunRecord,
    folder: Path | None,
    *,
    time_limit: float | None,
    outputs: Callable[[Path], Iterable[Path]],
    describe: Callable[[], None] = lambda: None,
    spent: float = 0.0,
) -> Iterator[None]:
    """Run the block under signals and a time limit (seconds), then write ``result.json``, even after a failure.

    Without ``folder`` the file is not written. ``outputs`` lists the files of the run for a folder. ``describe`` is
    called after a successful block, and reads the results like the digests. ``spent`` seconds of the limit are over
    already.

    Raises:
        RunFailedError: the block failed, was interrupted, exceeded the limit, or glued a failing status code; or the
            results are so large that they were not read within the limit, or within some seconds after a signal.
        OSError: ``result.json`` of a successful run cannot be written.
    """
    began = time.monotonic() - spent
    try:
        with signals_as_failures(time_limit, spent=spent), disk_full_as_error(), usage_errors_as_bad_inputs():
            yield
        with disk_full_as_error(), _limited_digests(time_limit, began):
            describe()
            check_status(record)
            if folder is not None:
                record.list_outputs(outputs(folder), folder)
    except BaseException as error:
        if folder is not None:
            if not record.outputs:
                with suppress(OSError, RunFailedError), _limited_digests(time_limit, began, after=error):
                    record.list_outputs(outputs(folder), folder)
            with suppress(OSError):  # a full disk has no space for the file either
                record.write(folder, error)
        raise
    if folder is not None:
        with disk_full_as_error():
            record.write(folder, None)


@contextmanager
def _limited_digests(time_limit: float | None, began: float, *, after: BaseException | None = None) -> Iterator[None]:
    """Limit the block to what is left of the run's time, but to some seconds at least; a signal limits it, too.

    A file of a run can be huge without space on the disk, if it has holes. ``after`` is the error that ended the run:
    if it was a signal, no other one comes.
    """
    if isinstance(after, InterruptedRunError):
        limit, spent = _AFTER_A_SIGNAL, 0.0
    else:
        limit = time_limit or 0.0
        spent = min(time.monotonic() - began, limit - _LEAST_FOR_DIGESTS)
    with signals_as_failures(limit, spent=spent, grace=_AFTER_A_SIGNAL):
        yield
