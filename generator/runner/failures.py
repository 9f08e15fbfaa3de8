"""How a run can end badly, with an exit code each."""

from __future__ import annotations


class RunFailedError(Exception):
    """A run that ended badly; the message goes to stderr as the last lines."""

    exit_code = 1


class ProcessFailedError(RunFailedError):
    """A cell raised an error, or the shell process ended with a code other than 0."""

    exit_code = 1


class BadInputsError(RunFailedError):
    """The given values do not fit the interface."""

    exit_code = 2


class ProcessMissingError(RunFailedError):
    """The process is not in the image, or cannot be read."""

    exit_code = 3


class KernelMissingError(RunFailedError):
    """No kernel in the image can run the notebook."""

    exit_code = 4


class OutputMissingError(RunFailedError):
    """The process ended well, but did not write what it is to write."""

    exit_code = 6


class KernelDiedError(RunFailedError):
    """The kernel did not start, or ended before the notebook did."""

    exit_code = 5
