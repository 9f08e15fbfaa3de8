"""Shared state, as the Kernel Gateway has it: each process runs many requests, one after another."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from generator.runner.server.gateway.states.calls import (
    Answer,
    Call,
    CallLimits,
    CallTimeoutError,
    KernelEndedError,
    SeedError,
    UnsuitedError,
)
from generator.runner.server.gateway.states.child import Child
from generator.runner.server.gateway.states.sources import Place, PreparedSource
from generator.runner.server.gateway.states.turns import Turns


class SharedState:
    """Python processes that take turns."""

    def __init__(self, place: Place, limits: CallLimits, log: Callable[[str], None]) -> None:
        self._place, self._limits, self._log = place, limits, log
        self._source = PreparedSource(place)
        self._turns = Turns(limits.kernels, limits.waiting)
        self._idle: asyncio.Queue[Child | None] = asyncio.Queue()
        """The process that has waited longest comes first; None stands for one that ended."""
        self._all: set[Child] = set()

    async def start(self) -> None:
        """Run the cells in each process.

        Raises:
            SeedError: one of them failed.
            UnsuitedError: the kernel cannot be forked.
        """
        await self._source.prepare()
        for child in await asyncio.gather(*(self._make() for _ in range(self._limits.kernels))):
            self._idle.put_nowait(child)

    async def _make(self) -> Child:
        child = await self._source.make()
        self._all.add(child)
        return child

    async def call(self, call: Call) -> Answer:
        """Run a handler."""
        await self._turns.enter(call.leaving)
        child = self._idle.get_nowait()
        try:
            if child is None or child.ended.done():
                child = await self._replace(child)
            answer = await child.call(call, self._limits)
            if child.exits:
                await self._drop(child)
            return answer
        except CallTimeoutError:
            if child is not None and not await child.interrupt():
                await self._drop(child)
            raise
        except KernelEndedError as error:
            self._log(f"{self._place.name}: {call.endpoint.verb} {call.endpoint.path}: {error}; the state is lost")
            await self._drop(child)
            raise
        finally:
            self._idle.put_nowait(child if child in self._all else None)
            self._turns.leave()

    async def _replace(self, child: Child | None) -> Child:
        """Run the cells in a new process."""
        await self._drop(child)
        try:
            return await self._make()
        except (SeedError, UnsuitedError) as error:
            raise KernelEndedError(str(error)) from None

    async def _drop(self, child: Child | None) -> None:
        if child is not None:
            self._all.discard(child)
            await child.kill()

    async def stop(self) -> None:
        """End all processes."""
        await asyncio.gather(*(child.kill() for child in self._all))
        await self._source.stop()
