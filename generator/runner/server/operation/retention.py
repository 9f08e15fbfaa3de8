"""Deletion of runs: by age, by disk space, and of folders that a crash left without a row."""

from __future__ import annotations

import asyncio
import logging
import re
import threading
import time
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta, timezone
from pathlib import Path

from generator.runner.server.context import Context
from generator.runner.server.operation.logs import log
from generator.runner.server.runs.folder import RunFolder
from generator.runner.server.runs.model import Run
from generator.runner.server.runs.store import RunMissingError, StoreUnavailableError
from generator.shared.clock_watch import ClockWatch

_LONGEST_INTERVAL, _SHORTEST_INTERVAL = 60.0, 0.5
_UPLOAD_TIME = 24 * 3600
"""Seconds for which a folder without a row may belong to a request whose uploads still arrive."""
_RUN_ID = re.compile(r"[0-9a-f]{32}")


async def keep_tidy(context: Context) -> None:
    """Delete old runs in a thread, as long as the server runs."""
    retention = Retention(context)
    try:
        await _tidy_repeatedly(context, retention)
    finally:
        retention.stop()


async def _tidy_repeatedly(context: Context, retention: Retention) -> None:
    while True:
        try:
            await asyncio.to_thread(retention.tidy)
        except StoreUnavailableError:
            log("database unavailable", level=logging.WARNING, task="retention")
        except Exception as error:  # noqa: BLE001 - the next attempt may succeed
            log("retention failed", level=logging.ERROR, error=error)
        await asyncio.sleep(max(_SHORTEST_INTERVAL, min(_LONGEST_INTERVAL, context.limits.retention / 10)))


class Retention:
    """What `keep_tidy` does; a run that has not ended stays."""

    def __init__(self, context: Context, *, clock: ClockWatch | None = None) -> None:
        self._context, self._clock = context, clock or ClockWatch(memory=context.data / "clock")
        self._sizes: dict[str, int] = {}
        self._next_search = 0.0
        self._stopped = threading.Event()

    def stop(self) -> None:
        """Have `tidy` return soon."""
        self._stopped.set()

    def tidy(self) -> None:
        """Delete what is too old, too much, or without a row; nothing by age if the clock was just set forward."""
        if (shift := self._clock.look()) > 0:
            log(
                "clock ahead of its last time; nothing is deleted by age for an hour",
                level=logging.WARNING,
                seconds=round(shift),
            )
        if self._clock.is_settled:
            self._delete_old()
        if self._context.limits.retained_size is not None:
            self._delete_oldest(self._context.limits.retained_size)
        if self._clock.is_settled and time.monotonic() >= self._next_search:
            self._next_search = time.monotonic() + 3600
            self._remove_orphans()

    def _delete_old(self) -> None:
        before = datetime.now(timezone.utc) - timedelta(seconds=self._context.limits.retention)
        while not self._stopped.is_set() and (runs := self._context.store.expired(before=before)):
            self._delete([run.id for run in runs])

    def _delete_oldest(self, most: int) -> None:
        """Delete ended runs, the oldest first, until the others fit."""
        self._sizes = dict(self._measure())
        excess = sum(self._sizes.values()) - most
        surplus = []
        for run_id, size in self._sizes.items():
            if excess <= 0:
                break
            surplus.append(run_id)
            excess -= size
        self._delete(surplus)

    def _measure(self) -> Iterator[tuple[str, int]]:
        """Yield the ids and sizes of ended runs, the oldest first; their folders do not change any more."""
        for folder in _run_folders(self._context.data):
            size = self._sizes.get(folder.name)
            if size is None and (run := self._find(folder.name)) and run.state.final:
                size = RunFolder(folder).size()
            if size is not None:
                yield folder.name, size

    def _delete(self, run_ids: Sequence[str]) -> None:
        """Delete rows, then folders: a crash between leaves an orphan, never a run without its results."""
        if run_ids:
            self._context.store.delete(run_ids)
            for run_id in run_ids:  # their rows are gone, so that an interruption only leaves orphans
                if self._stopped.is_set():
                    return
                self._context.folder(run_id).remove()
                self._sizes.pop(run_id, None)
            log("runs deleted", level=logging.DEBUG, runs=len(run_ids))

    def _remove_orphans(self) -> None:
        """Remove the folders of runs that were never queued, or whose rows were deleted."""
        for folder in _run_folders(self._context.data):
            if _age(folder.name) > _UPLOAD_TIME and self._find(folder.name) is None:
                RunFolder(folder).remove()
                log("orphaned folder removed", level=logging.WARNING, run=folder.name)

    def _find(self, run_id: str) -> Run | None:
        try:
            return self._context.store.get(run_id)
        except RunMissingError:
            return None


def _run_folders(data: Path) -> Iterator[Path]:
    for group in sorted((data / "runs").glob("*")):
        yield from (folder for folder in sorted(group.glob("*")) if _RUN_ID.fullmatch(folder.name))


def _age(run_id: str) -> float:
    """Return the seconds since a run's id was made, which begins with the time."""
    return time.time() - int(run_id[:12], 16) / 1000
