"""Errors that end the session of a kernel early. Imports nothing: a shell needs no ZeroMQ."""

from __future__ import annotations

NO_REPLY = "no reply"
"""Kind of the message that stands for the reply of a kernel which is idle without having replied."""


class KernelGoneError(Exception):
    """The kernel's process exited."""


class NotReadyError(Exception):
    """The kernel did not answer in time."""


class CellTooLongError(Exception):
    """A cell exceeded its time limit."""


class OutputLostError(Exception):
    """The kernel dropped messages that nobody read in time."""
