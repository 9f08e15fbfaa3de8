"""Failures of a run, each with an exit code for scripts and a reason for ``result.json``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from generator.shared.errors import UsageError
from generator.shared.passing_errors import is_full_disk


class RunFailedError(Exception):
    """A failed run; the message is printed last on stderr."""

    exit_code = 1
    reason = "failed"
    words = "failed"


class ProcessFailedError(RunFailedError):
    """A cell raised an error, or the shell process ended with a code other than 0."""

    exit_code = 1
    reason = "cell-error"
    words = "a cell failed"


class BadInputsError(RunFailedError):
    """The given values do not fit the interface."""

    exit_code = 2
    reason = "bad-inputs"
    words = "inputs that do not fit"


class ProcessMissingError(RunFailedError):
    """The process is missing from the image, or unreadable."""

    exit_code = 3
    reason = "process-missing"
    words = "process missing"


class KernelMissingError(RunFailedError):
    """No kernel in the image can run the notebook, or it does not start."""

    exit_code = 4
    reason = "kernel-missing"
    words = "no kernel"


class KernelDiedError(RunFailedError):
    """The kernel ended before the notebook did: it crashed or was killed."""

    exit_code = 5
    reason = "kernel-died"
    words = "kernel died"


class OutputMissingError(RunFailedError):
    """The process succeeded, but did not write an expected output."""

    exit_code = 6
    reason = "output-missing"
    words = "output missing"


class OutOfMemoryError(RunFailedError):
    """The kernel was killed because the container ran out of memory."""

    exit_code = 7
    reason = "out-of-memory"
    words = "out of memory"


class CellTimeLimitError(RunFailedError):
    """A cell exceeded its time limit."""

    exit_code = 8
    reason = "cell-time-limit"
    words = "cell time limit"


class RunTimeLimitError(RunFailedError):
    """The run exceeded its time limit."""

    exit_code = 9
    reason = "run-time-limit"
    words = "run time limit"


class DiskFullError(RunFailedError):
    """The disk is full."""

    exit_code = 10
    reason = "disk-full"
    words = "disk full"


class StatusCodeError(RunFailedError):
    """The notebook reported an HTTP status of 400 or more in its scrap ``statusCode`` (papermill-api)."""

    exit_code = 11
    reason = "status-code"
    words = "the notebook's own statusCode"

    def __init__(self, status: int) -> None:
        super().__init__(f"the notebook ended with statusCode {status}")


class StagingError(RunFailedError):
    """A file could not be fetched, or a result could not be delivered."""

    exit_code = 12
    reason = "staging-failed"
    words = "staging failed"


class ModuleMissingError(RunFailedError):
    """The notebook imports a module that the image does not have, or that cannot be imported in it."""

    exit_code = 13
    reason = "module-missing"
    words = "module missing"


class OutputLimitError(RunFailedError):
    """The run wrote more, or more files, than it may."""

    exit_code = 14
    reason = "output-limit"
    words = "too much output"


class InterruptedRunError(RunFailedError):
    """SIGTERM or SIGINT ended the run; the exit code is 128 plus the signal's number, as in a shell."""

    reason = "interrupted"
    words = "interrupted"

    def __init__(self, signal_number: int) -> None:
        super().__init__(f"interrupted by signal {signal_number}")
        self.exit_code = 128 + signal_number


@contextmanager
def usage_errors_as_bad_inputs() -> Iterator[None]:
    """Raise a `UsageError` of the shared modules as a failure of the run.

    Raises:
        BadInputsError: the block raised a `UsageError`.
    """
    try:
        yield
    except UsageError as error:
        raise BadInputsError(str(error)) from None


@contextmanager
def disk_full_as_error(path: Path | None = None) -> Iterator[None]:
    """Raise the errors of a full disk as a failure of the run, which names ``path``, or the file of the error.

    Raises:
        DiskFullError: the disk is full (ENOSPC), or the user's quota is used up (EDQUOT).
    """
    try:
        yield
    except OSError as error:
        if not is_full_disk(error):
            raise
        name = path or error.filename
        where = f"{name}: " if name else ""
        raise DiskFullError(f"{where}no space is left: {error.strerror}; free some space, and run again") from None


exit_codes: Mapping[int, str] = {
    0: "done",
    **{error.exit_code: error.words for error in RunFailedError.__subclasses__() if error is not InterruptedRunError},
    **dict.fromkeys((130, 143), InterruptedRunError.words),
}
"""The words for the exit codes of ``packmill-runner``."""
