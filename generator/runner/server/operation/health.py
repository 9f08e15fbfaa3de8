"""The state of the server: whether it can take runs, and the figures of its metrics."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
from dataclasses import dataclass
from typing import Any

from generator.runner.server.context import Context
from generator.runner.server.operation.memory import memory_of_trees
from generator.runner.server.operation.metrics import Snapshot
from generator.runner.server.runs.model import RunState
from generator.runner.server.runs.store import StoreUnavailableError

_LEAST_SPACE = 64 << 20
"""Bytes without which a run may not be able to save its notebook."""
_PATIENCE = 5.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Health:
    """Whether the server can take runs: it can without ``problems``."""

    problems: tuple[str, ...]
    details: dict[str, Any]

    @property
    def status(self) -> int:
        """The HTTP status."""
        return 503 if self.problems else 200


async def examine(context: Context) -> Health:
    """Examine the server: workers, queue, disk and database."""
    problems = ["the server is shutting down"] if context.draining else []
    workers = context.workers
    if workers is None or (workers.count and not workers.size):
        problems.append("no worker is alive")
    counts, free = await _look(context, problems)
    details: dict[str, Any] = {
        "workers": {"alive": workers.size if workers else 0, "busy": workers.busy if workers else 0},
        "queue": {"queued": counts.get(RunState.QUEUED), "limit": context.limits.queue},
        "running": counts.get(RunState.RUNNING),
        "disk": {"free_bytes": free},
    }
    return Health(problems=tuple(problems), details=details)


async def take_snapshot(context: Context) -> Snapshot:
    """Return the figures of this moment for the metrics.

    Raises:
        StoreUnavailableError: the database does not answer.
    """
    counts = await asyncio.to_thread(context.store.count)
    usage = await asyncio.to_thread(shutil.disk_usage, context.data)
    processes = context.workers.process_ids() if context.workers else ()
    own, below = await asyncio.to_thread(memory_of_trees, processes)
    return Snapshot(
        queued=counts[RunState.QUEUED],
        running=counts[RunState.RUNNING],
        queue_limit=context.limits.queue,
        workers=context.workers.size if context.workers else 0,
        busy=context.workers.busy if context.workers else 0,
        disk_free=usage.free,
        worker_memory=own,
        prepared_memory=below,
    )


async def _look(context: Context, problems: list[str]) -> tuple[dict[RunState, int], int | None]:
    counts: dict[RunState, int] = {}
    free: int | None = None
    try:
        counts = dict(await asyncio.wait_for(asyncio.to_thread(context.store.count), _PATIENCE))
    except (StoreUnavailableError, sqlite3.Error, OSError, asyncio.TimeoutError):
        problems.append("the database is unavailable")
    try:
        usage = await asyncio.wait_for(asyncio.to_thread(shutil.disk_usage, context.data), _PATIENCE)
        free = usage.free
    except (OSError, asyncio.TimeoutError):
        problems.append("the data folder is unavailable")
    if free is not None and free < _LEAST_SPACE:
        problems.append("the disk is full")
    return counts, free
