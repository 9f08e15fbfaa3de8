"""Who may call now: some requests at once, and a bounded number that waits."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from generator.runner.server.gateway.states.calls import BusyError
from generator.runner.server.leaving import unless_client_leaves


class Turns:
    """A semaphore with a bounded queue."""

    def __init__(self, at_once: int, waiting: int) -> None:
        self._free = asyncio.Semaphore(at_once)
        self._most = waiting
        self._waiting = 0

    async def enter(self, leaving: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Wait for a turn; ``leaving`` ends when the client leaves.

        Raises:
            BusyError: too many wait already.
            ClientDisconnect: the client left before its turn.
        """
        if self._free.locked() and self._waiting >= self._most:
            raise BusyError(f"{self._waiting} requests wait already")
        self._waiting += 1
        try:
            await unless_client_leaves(self._acquire(), leaving())
        finally:
            self._waiting -= 1

    async def _acquire(self) -> None:
        await self._free.acquire()

    def leave(self) -> None:
        """End a turn."""
        self._free.release()
