"""Fresh state for each request: a process that ran the other cells is forked, or the cells run again in a new one.

Some libraries hang or die in a fork of a process that used them. If a handler does, it runs in a new process that runs
the cells again; if it succeeds there, all handlers of the notebook run so from then on.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any

from generator.runner.execution.watching import oom_kills
from generator.runner.server.gateway.annotations import Endpoint
from generator.runner.server.gateway.states.calls import (
    Answer,
    BusyError,
    Call,
    CallLimits,
    CallTimeoutError,
    KernelEndedError,
    NotForkedError,
    SeedError,
    UnsuitedError,
)
from generator.runner.server.gateway.states.child import Child
from generator.runner.server.gateway.states.sources import Place, PreparedSource, SeedSource, Source
from generator.runner.server.gateway.states.turns import Turns

_LONGEST_FINISH = 60.0
"""Seconds that threads of a handler may run after its answer, without a time limit of requests."""


class FreshState:
    """The handlers of a notebook, each call in a process of its own."""

    def __init__(self, place: Place, limits: CallLimits, log: Callable[[str], None], *, fork: bool = True) -> None:
        """Without ``fork``, the cells run again for each call."""
        self._place, self._limits, self._log = place, limits, log
        self._prepared = PreparedSource(place)
        self._source: Source = self._prepared
        self._retired: list[PreparedSource] = []
        """Earlier sources, whose processes may still run handlers."""
        self._fork = fork
        self._turns = Turns(limits.at_once, limits.waiting)
        self._spares: deque[Child] = deque()
        self._filling: asyncio.Task[None] | None = None
        self._background: set[asyncio.Task[None]] = set()
        self._faulty: set[Endpoint] = set()
        """Endpoints that also fail without a fork."""
        self._changing = asyncio.Lock()

    async def start(self) -> None:
        """Run the cells.

        Raises:
            SeedError: one of them failed.
            UnsuitedError: the kernel cannot be forked at all.
        """
        await self._prepared.prepare()
        if not self._fork:
            self._spares.append(await self._prepared.make())
            await self._preload()
            return
        await self._fork_seed()
        self._fill()

    async def _fork_seed(self) -> None:
        self._source = SeedSource(await self._prepared.make(), self._place.largest)

    async def call(self, call: Call) -> Answer:
        """Run a handler."""
        await self._turns.enter(call.leaving)
        child: Child | None = None
        killed_before = oom_kills()
        try:
            child = await self._take()
            try:
                answer = await child.call(call, self._limits)
            except NotForkedError:  # the refusal of the fork came after the call, and may still come for the spares
                await child.kill()
                await self._drop_spares()
                child = await self._take()
                answer = await child.call(call, self._limits)
        except UnsuitedError as error:
            if oom_kills() > killed_before:
                self._end_turn(child)
                raise KernelEndedError("its process was killed because memory ran out") from None
            return await self._call_again(call, child, str(error))
        except BaseException:
            self._end_turn(child)
            raise
        self._in_background(self._finish(child))
        return answer

    async def _call_again(self, call: Call, child: Child | None, reason: str) -> Answer:
        """Run a handler without a fork, after it hung or died in one."""
        if call.endpoint in self._faulty:
            self._end_turn(child)
            raise KernelEndedError(reason)
        again: Child | None = None
        try:
            if child is not None:
                await child.kill()
            again = await self._prepared.make()
            answer = await again.call(call, self._limits)
        except (CallTimeoutError, KernelEndedError):
            self._faulty.add(call.endpoint)
            raise
        except (SeedError, UnsuitedError) as error:
            raise KernelEndedError(str(error)) from None
        finally:
            self._end_turn(again)
        await self._stop_forking(reason)
        return answer

    async def _stop_forking(self, reason: str) -> None:
        async with self._changing:
            if self._source is self._prepared:
                return
            self._log(
                f"{self._place.name}: the cells without an annotation run again for each request from now on, because "
                f"their state cannot be forked: {reason}"
            )
            if isinstance(self._source, SeedSource):
                self._in_background(self._source.stop_when_unused())
            self._source = self._prepared
            await self._drop_spares()
            await self._preload()

    async def _preload(self) -> None:
        """Prepare a process that has imported the modules of the cells, if it can be forked."""
        better = PreparedSource(self._place)
        try:
            await better.prepare(self._prepared.modules, self._prepared.local)
        except UnsuitedError:
            await better.stop()
            return
        self._retired.append(self._prepared)
        self._source = self._prepared = better
        await self._drop_spares()

    async def _take(self) -> Child:
        """Return a process for a call, and make the next one.

        Raises:
            KernelEndedError: the cells fail when they run again.
            UnsuitedError: the process that ran the cells cannot be forked.
        """
        while self._spares:
            child = self._spares.popleft()
            if not child.ended.done():
                self._fill()
                return child
            await child.kill()
        try:
            async with self._changing:
                if isinstance(self._source, SeedSource) and self._source.is_dead:
                    self._log(f"{self._place.name}: the process that ran the cells ended; they run again")
                    await self._source.stop()
                    await self._fork_seed()
            child = await self._source.make()
        except SeedError as error:
            raise KernelEndedError(str(error)) from None
        self._fill()
        return child

    def _fill(self) -> None:
        if self._filling is None or self._filling.done():
            self._filling = asyncio.create_task(self._make_spares())

    async def _make_spares(self) -> None:
        with suppress(BusyError, UnsuitedError, SeedError, KernelEndedError):
            while len(self._spares) < self._limits.at_once:
                source = self._source
                child = await source.make()
                if source is self._source:
                    self._spares.append(child)
                else:
                    await child.kill()

    async def _drop_spares(self) -> None:
        while self._spares:
            await self._spares.pop().kill()

    async def _finish(self, child: Child) -> None:
        """Let a process end after its answer; others wait for that, so that there are never too many."""
        try:
            await child.finish(self._limits.seconds or _LONGEST_FINISH)
        finally:
            self._turns.leave()

    def _end_turn(self, child: Child | None) -> None:
        """Kill a process and end its turn after that."""

        async def end() -> None:
            try:
                if child is not None:
                    await child.kill()
            finally:
                self._turns.leave()

        self._in_background(end())

    def _in_background(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)

    async def stop(self) -> None:
        """End all processes."""
        if self._filling is not None:
            self._filling.cancel()
            await asyncio.wait({self._filling})
        for task in self._background:
            task.cancel()
        if self._background:
            await asyncio.wait(set(self._background))
        await self._drop_spares()
        for source in (self._source, self._prepared, *self._retired):
            await source.stop()
