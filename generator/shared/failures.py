"""How a run can end badly: an exit code and a reason each; scripts and ``result.json`` tell them apart."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager

from generator.shared.errors import UsageError


class RunFailedError(Exception):
    """A run that ended badly; the message goes to stderr as the last lines."""

    exit_code = 1
    reason = "failed"


class ProcessFailedError(RunFailedError):
    """A cell raised an error, or the shell process ended with a code other than 0."""

    exit_code = 1
    reason = "cell-error"


class BadInputsError(RunFailedError):
    """The given values do not fit the interface."""

    exit_code = 2
    reason = "bad-inputs"


class ProcessMissingError(RunFailedError):
    """The process is not in the image, or cannot be read."""

    exit_code = 3
    reason = "process-missing"


class KernelMissingError(RunFailedError):
    """No kernel in the image can run the notebook, or it does not start."""

    exit_code = 4
    reason = "kernel-missing"


class KernelDiedError(RunFailedError):
    """The kernel ended before the notebook did: it crashed or was killed."""

    exit_code = 5
    reason = "kernel-died"


class OutputMissingError(RunFailedError):
    """The process ended well, but did not write what it is to write."""

    exit_code = 6
    reason = "output-missing"


class OutOfMemoryError(RunFailedError):
    """The kernel was killed because the memory of the container was used up."""

    exit_code = 7
    reason = "out-of-memory"


class CellTimeLimitError(RunFailedError):
    """A cell took longer than it may."""

    exit_code = 8
    reason = "cell-time-limit"


class RunTimeLimitError(RunFailedError):
    """The whole run took longer than it may."""

    exit_code = 9
    reason = "run-time-limit"


class DiskFullError(RunFailedError):
    """There was no space left to write to."""

    exit_code = 10
    reason = "disk-full"


class StatusCodeError(RunFailedError):
    """The notebook gave itself an HTTP status of 400 or more, by a scrap ``statusCode`` (papermill-api)."""

    exit_code = 11
    reason = "status-code"

    def __init__(self, status: int) -> None:
        super().__init__(f"the notebook ended with statusCode {status}")


class StagingError(RunFailedError):
    """A file could not be fetched, or a result not be delivered."""

    exit_code = 12
    reason = "staging-failed"


class ModuleMissingError(RunFailedError):
    """The notebook imports a module that the image does not have."""

    exit_code = 13
    reason = "module-missing"


class InterruptedRunError(RunFailedError):
    """SIGTERM or SIGINT ended the run; the exit code is 128 and the signal's number, as in a shell."""

    reason = "interrupted"

    def __init__(self, signal_number: int) -> None:
        super().__init__(f"interrupted by signal {signal_number}")
        self.exit_code = 128 + signal_number


@contextmanager
def told_of_bad_inputs() -> Iterator[None]:
    """Names what the caller asked for and cannot have.

    Raises:
        BadInputsError: a `UsageError` of the modules that the runner shares with the generator.
    """
    try:
        yield
    except UsageError as error:
        raise BadInputsError(str(error)) from None


@contextmanager
def told_of_full_disks() -> Iterator[None]:
    """Names a disk that is full.

    Raises:
        DiskFullError: there was no space left (ENOSPC), or none that the user may have (EDQUOT).
    """
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise DiskFullError(f"no space is left: {error}") from None
