"""Who may call now: some requests at once, and a bounded number that waits."""

from __future__ import annotations

import asyncio

from generator.runner.server.gateway.states.calls import BusyError


class Turns:
    """A semaphore with a bounded queue."""

    def __init__(self, at_once: int, waiting: int) -> None:
        self._free = asyncio.Semaphore(at_once)
        self._most = waiting
        self._waiting = 0

    async def enter(self) -> None:
        """Wait for a turn.

        Raises:
            BusyError: too many wait already.
        """
        if self._free.locked() and self._waiting >= self._most:
            raise BusyError(f"{self._waiting} requests wait already")
        self._waiting += 1
        try:
            await self._free.acquire()
        finally:
            self._waiting -= 1

    def leave(self) -> None:
        """End a turn."""
        self._free.release()
