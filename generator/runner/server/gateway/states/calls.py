"""A call of a handler, its answer, and what answers it."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Protocol

from generator.runner.server.gateway.annotations import Endpoint


class SeedError(Exception):
    """A cell that runs at the start failed, or its kernel ended; the message has the cell and the error."""


class CallTimeoutError(Exception):
    """A handler exceeded its time limit."""


class KernelEndedError(Exception):
    """The process of a handler ended before it answered; the message tells how."""


class NotForkedError(KernelEndedError):
    """The process of a handler was not forked, so that the handler did not begin."""


class BusyError(Exception):
    """Too many requests wait, or the system has no process left for one."""


class UnsuitedError(Exception):
    """Handlers cannot run in forks of the process that ran the other cells; the message has the reason."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Call:
    """A request to a handler; ``request`` is the text of the variable ``REQUEST``."""

    endpoint: Endpoint
    request: str
    leaving: Callable[[], Coroutine[Any, Any, None]]
    """Waits until the client leaves."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """What a handler printed or returned, and what its ResponseInfo cell printed; or its error."""

    body: str = ""
    info: str = ""
    error: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class CallLimits:
    """Bounds of one notebook: processes, waiting requests, seconds and bytes of an answer."""

    at_once: int
    """Requests that run at once, each with state of its own."""
    kernels: int = 1
    """Kernels whose state requests share."""
    waiting: int = 100
    seconds: float | None = None
    response: int = 256 * 1024**2


class State(Protocol):
    """What runs the handlers of one notebook."""

    async def start(self) -> None:
        """Run the cells without an annotation.

        Raises:
            SeedError: one of them failed.
        """

    async def call(self, call: Call) -> Answer:
        """Run a handler.

        Raises:
            BusyError: too many requests wait, or the system has no process left.
            CallTimeoutError: it exceeded the time limit.
            KernelEndedError: its process ended.
            ClientDisconnect: the client left before the handler began.
        """

    async def stop(self) -> None:
        """End all processes."""
