"""Work in the background of the server, which goes on after errors that it does not expect."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress

from generator.runner.server.operation.logs import log

_PAUSE = 1.0
"""Seconds before work that failed is begun again."""


@asynccontextmanager
async def background(works: Mapping[str, Callable[[], Awaitable[None]]]) -> AsyncIterator[None]:
    """Do some work while the block runs; the names are for the log."""
    tasks = [asyncio.create_task(_insist(name, work)) for name, work in works.items()]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


async def _insist(name: str, work: Callable[[], Awaitable[None]]) -> None:
    while True:
        try:
            await work()
        except Exception as error:  # noqa: BLE001 - without this work, runs of dead workers would never end
            log("background work failed", level=logging.ERROR, error=error, work=name)
        await asyncio.sleep(_PAUSE)
