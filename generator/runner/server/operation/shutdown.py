"""The end of a server's runs at a shutdown."""

from __future__ import annotations

import asyncio

from generator.runner.server.context import Context
from generator.runner.server.operation.logs import log


async def end_runs(context: Context, timeout: float, hurry: asyncio.Event) -> None:
    """Begin no run, and wait until running ones have ended; ``hurry`` interrupts them, as the timeout does."""
    workers = context.workers
    context.draining = True
    log("shutting down", runs=workers.busy if workers else 0, timeout=timeout)
    await context.events.release_queued()
    if workers:
        await workers.stop(timeout, hurry=hurry)
    context.events.release_all()
