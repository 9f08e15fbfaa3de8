"""What happens to runs, for requests that wait: progress from the workers, ends from workers and database."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from generator.runner.server.runs.model import Run, RunState
from generator.runner.server.runs.store import Change, ChangeKind, RunMissingError, StoreUnavailableError

_POLL = 0.5
"""Seconds between two looks at the database for runs that workers of other servers execute."""


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened to a run: ``started``, ``cell`` or ``ended``; ``cell`` counts from 1."""

    kind: str
    cell: int = 0
    cells: int = 0


_RELEASED = Event("released")
_PROGRESS = {"started", "cell"}


class RunEvents:
    """The events of runs, by subscription; for one event loop."""

    def __init__(self, find: Callable[[str], Awaitable[Run]]) -> None:
        """``find`` reads a run's row."""
        self._find = find
        self._queues: dict[str, dict[asyncio.Queue[Event], bool]] = {}
        """By run: where its events go, and whether progress does, too."""
        self._latest: dict[str, Event] = {}

    def take(self, message: Mapping[str, Any]) -> None:
        """Publish a message of a worker (`generator.runner.server.workers.worker`)."""
        if run_id := message.get("started"):
            self._publish(run_id, Event("started"))
        elif run_id := message.get("cell"):
            event = Event("cell", message["number"], message["of"])
            self._latest[run_id] = event
            self._publish(run_id, event)
        elif run_id := message.get("ended"):
            self.publish_end(run_id)

    def take_changes(self, changes: Iterable[Change]) -> None:
        """Publish the ends of runs that another server's workers had."""
        for change in changes:
            if change.kind is ChangeKind.ENDED and change.run_id:
                self.publish_end(change.run_id)

    def publish_end(self, run_id: str) -> None:
        """Publish the end of a run, also of one that no worker reports, such as a dismissed one."""
        self._latest.pop(run_id, None)
        self._publish(run_id, Event("ended"))

    async def release_queued(self) -> None:
        """Answer the requests that wait for runs in the queue, which this server will not start.

        Without the database, they are answered when running ones have ended (`release_all`).
        """
        for run_id in tuple(self._queues):
            try:
                run = await self._find(run_id)
            except RunMissingError:
                continue
            except StoreUnavailableError:  # each look may take the time limit of a connection
                return
            if run.state is RunState.QUEUED:
                self._publish(run_id, _RELEASED)

    def release_all(self) -> None:
        """Answer all requests that wait."""
        for run_id in tuple(self._queues):
            self._publish(run_id, _RELEASED)

    def progress(self, run: Run) -> tuple[int, int]:
        """Return the running cell and the number of cells: newer than the row's, if a worker here has the run."""
        event = self._latest.get(run.id)
        return (event.cell, event.cells) if event else (run.cell, run.cells)

    async def follow(self, run_id: str, *, progress: bool = True) -> AsyncIterator[Event]:
        """Yield the events of a run from now on, until it has ended or the server ends; ``progress`` on request.

        Raises:
            RunMissingError: there is no such run.
        """
        with self._subscription(run_id, progress=progress) as queue:
            with suppress(StoreUnavailableError):  # which the look after a while may not meet
                if (await self._find(run_id)).state.final:
                    yield Event("ended")
                    return
            latest = None
            while True:
                event = await self._next(run_id, queue)
                if event is _RELEASED:
                    return
                if event and event != latest:
                    latest = event
                    yield event
                    if event.kind == "ended":
                        return

    async def wait(self, run: Run, timeout: float | None) -> Run:
        """Wait until a run has ended, at most ``timeout`` seconds, and return it.

        While the database is unavailable, that is ``run`` as it was: a client that was refused might start it again.

        Raises:
            RunMissingError: there is no such run.
        """

        async def end() -> None:
            async for _ in self.follow(run.id, progress=False):
                pass

        with suppress(asyncio.TimeoutError):
            await asyncio.wait_for(end(), timeout)
        try:
            return await self._find(run.id)
        except StoreUnavailableError:
            return run

    async def _next(self, run_id: str, queue: asyncio.Queue[Event]) -> Event | None:
        try:
            return await asyncio.wait_for(queue.get(), _POLL)
        except asyncio.TimeoutError:
            pass
        try:
            run = await self._find(run_id)
        except RunMissingError:
            return Event("ended")
        except StoreUnavailableError:  # the run goes on, and a client that was refused might start it again
            return None
        if run.state.final:
            return Event("ended")
        return Event("cell", *self.progress(run)) if run.cell else None

    @contextmanager
    def _subscription(self, run_id: str, *, progress: bool) -> Iterator[asyncio.Queue[Event]]:
        queue: asyncio.Queue[Event] = asyncio.Queue()
        self._queues.setdefault(run_id, {})[queue] = progress
        try:
            yield queue
        finally:
            queues = self._queues[run_id]
            del queues[queue]
            if not queues:
                del self._queues[run_id]

    def _publish(self, run_id: str, event: Event) -> None:
        for queue, progress in self._queues.get(run_id, {}).items():
            if progress or event.kind not in _PROGRESS:
                queue.put_nowait(event)
