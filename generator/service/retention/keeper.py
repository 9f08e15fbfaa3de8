"""The thread that keeps what the service stores within its limits."""

from __future__ import annotations

import math
import sqlite3
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from datetime import datetime, timezone

from generator.service.log import log
from generator.service.retention import ended
from generator.service.retention.images import ImageReport
from generator.service.retention.policy import Policy
from generator.service.retention.usage import Usage, folder_size, measure
from generator.service.store.audit import Event, record
from generator.service.store.job_folders import DataFolder
from generator.service.store.pipelines import Pipelines
from generator.shared.clock_watch import ClockWatch
from generator.shared.cron_times import next_time
from generator.shared.size_text import size_text

_LONGEST_WAIT = 60.0
_SHORTEST_BREAK, _BREAK_WITHOUT_QUOTA = 5.0, 600.0
_QUICK = 0.5
"""Seconds of a measurement that a request can wait for."""
_FRESH = 24 * 3600.0
"""Seconds for which an uploaded file stays in any case: a pipeline that is started later may need it."""
_SHARE = 20
"""Measuring takes at most a twentieth of the time."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Removed:
    """What the service has removed since its start, to stay within the limits."""

    pipelines: int = 0
    artifacts: int = 0
    images: int = 0
    size: int = 0
    """Bytes of all of them."""
    time: float | None = None
    """Of the latest removal, in Unix seconds."""


class Keeper:
    """Measures the data folder, and removes the oldest things that are neither kept nor in use."""

    def __init__(
        self,
        stored: Pipelines,
        data: DataFolder,
        policy: Policy,
        *,
        hold: Callable[[], AbstractContextManager[bool]],
        prune_images: Callable[[Policy], ImageReport | None],
        clock: ClockWatch | None = None,
    ) -> None:
        """Prepare the thread.

        ``hold`` starts no jobs within its block and yields whether none runs; ``prune_images`` removes images and
        returns None if that is impossible.
        """
        self.policy, self.usage, self.removed = policy, Usage(), Removed()
        self.images: ImageReport | None = None
        self._stored, self._data, self._hold, self._prune_images = stored, data, hold, prune_images
        self._lock, self._wake = threading.Lock(), threading.Event()
        self._stopping = self._is_full = False
        self._clock, self._measured = clock or ClockWatch(memory=data.clock), -math.inf
        self._begun = -math.inf
        self._due = self._next_due(since=self._clock.remembered)  # a time at which no service ran is not lost
        self._images_due = math.inf
        self._thread = threading.Thread(target=self._run, name="retention", daemon=True)
        self._has_changed = True
        stored.listeners.append(self.note_change)

    def start(self) -> None:
        """Measure now, and then after each change."""
        self._thread.start()

    def stop(self) -> None:
        """Remove nothing more."""
        self._stopping = True
        self._wake.set()
        self._thread.join(timeout=5)

    @property
    def due(self) -> float | None:
        """The next time of the schedule in Unix seconds, None without one."""
        return self._due

    def note_change(self) -> None:
        """Measure again soon: something was stored or removed."""
        self._has_changed = True
        self._wake.set()

    def problem(self) -> str:
        """Return why there is no room for another pipeline or upload; empty if there is."""
        quota = self.policy.quota
        if quota is None:
            return ""
        asked = time.monotonic()
        is_known = not self._has_changed or self.usage.seconds > _QUICK
        is_refusing = self._is_full and self._lock.locked()  # a thread that measures is enough: the others would wait
        if (self.usage.total > quota or not self.usage.time or not is_known) and not is_refusing:
            self.enforce(asked=asked)
        if self.usage.total <= quota and not is_refusing:
            return ""
        stored = f"{size_text(self.usage.total)} of {size_text(quota)}"
        return (
            f"the storage quota is reached: the service stores {stored}, and all of it is kept or in use; delete kept "
            "artifacts or pipelines, or start the service with a larger --quota"
        )

    def enforce(self, *, asked: float = math.inf) -> None:
        """Measure; over the quota, remove expiring artifacts, then whole pipelines and then uploads, the oldest first.

        Does nothing if that was begun after ``asked`` (`time.monotonic`), by another thread that this one waited for.
        """
        with self._lock:
            if self._begun >= asked:
                return
            self._has_changed, self._begun = False, time.monotonic()
            self.usage, self._measured = measure(self._data), time.monotonic()
            self._make_room()
            self._is_full = self.policy.quota is not None and self.usage.total > self.policy.quota

    def _make_room(self) -> None:
        """Remove as much as is over the quota, if it can be removed, and measure again."""
        excess, removed = self.usage.total - self.policy.quota if self.policy.quota is not None else 0, self.removed
        if excess > 0:
            excess -= self._shrink_database(excess)
        for job in ended.expiring_artifacts(self._stored.database) if excess > 0 else ():
            if excess > 0:
                excess -= self._remove_artifacts(job["id"])
        for pipeline in ended.ended_pipelines(self._stored.database) if excess > 0 else ():
            if excess > 0:
                excess -= self._remove_pipeline(pipeline["id"])
        if excess > 0:
            self._remove_uploads(excess)
        if self.removed is not removed:
            self._shrink_database(math.inf)
            self.usage = measure(self._data)

    def _shrink_database(self, most: float) -> int:
        """Return space of deleted rows to the disk; return the bytes."""
        database = self._stored.database
        try:
            size = database.give_back(most) if database.file == self._data.database.resolve() else 0
        except sqlite3.Error as error:  # such as on a full disk: removing files still helps
            log(f"retention: cannot shrink the database: {error}")
            return 0
        self.usage = replace(self.usage, database=max(0, self.usage.database - size))
        return size

    def remove_old(self) -> None:
        """Remove the pipelines that ended too long ago."""
        if self.policy.older_than is None:
            return
        before = time.time() - self.policy.older_than
        with self._lock:
            for pipeline in ended.ended_pipelines(self._stored.database, before=before):
                self._remove_pipeline(pipeline["id"])
            self.usage, self._measured = measure(self._data), time.monotonic()

    def prune_images(self) -> bool:
        """Remove images; return whether it is done, which needs a moment without jobs."""
        with self._hold() as is_idle:
            if not is_idle:
                return False
            report = self._prune_images(self.policy)
        if report is not None:
            self.images = report
            self._count(size=report.removed_size, images=report.removed)
            if report.removed:
                with self._stored.database.transaction() as connection:
                    record(connection, Event.IMAGES_PRUNED, report.removed)
        return True

    def _remove_artifacts(self, job: int) -> int:
        """Remove a job's artifacts unless they are kept by now; return the bytes."""
        folder = self._data.job(job).path
        before = folder_size(folder)
        if not ended.remove_artifacts(self._data, self._stored.database, job):
            return 0
        return self._count(size=before - folder_size(folder), artifacts=1)

    def _remove_pipeline(self, number: int) -> int:
        """Remove a pipeline unless it is kept or runs by now; return the bytes."""
        size = ended.pipeline_size(self._data, self._stored.database, number)
        if not ended.remove_pipeline(self._data, self._stored, number):
            return 0
        return self._count(size=size, pipelines=1)

    def _remove_uploads(self, excess: int) -> None:
        """Remove uploaded files until so many bytes are removed: nobody else can, and they stay for a month."""
        self._look_at_clock()
        if not self._clock.is_settled:
            return
        before = time.time() - _FRESH
        for upload in ended.spare_uploads(self._data, self._stored.database, before=before):
            if excess > 0:
                excess -= self._count(size=self._data.uploads.remove(upload, before=before))

    def _count(self, *, size: int, pipelines: int = 0, artifacts: int = 0, images: int = 0) -> int:
        """Add removed things to those since the start; return their bytes."""
        self.removed = Removed(
            pipelines=self.removed.pipelines + pipelines,
            artifacts=self.removed.artifacts + artifacts,
            images=self.removed.images + images,
            size=self.removed.size + size,
            time=time.time() if pipelines or artifacts or images or size else self.removed.time,
        )
        return size

    def _run(self) -> None:
        while not self._stopping:
            self._wake.clear()
            try:
                if self._is_stale():
                    self.enforce()
                self._prune_if_due()
            except Exception as error:  # noqa: BLE001 - an unavailable database or engine must not end the thread
                log(f"retention: {error}; retrying")
                time.sleep(1)
            self._wake.wait(timeout=self._seconds_to_wait())

    def _prune_if_due(self) -> None:
        """Prune at the time of the schedule, but not by a clock that was just set forward, perhaps by mistake.

        Images wait for a moment without jobs, which is looked for every minute.
        """
        self._look_at_clock()
        if self._due is not None and time.time() >= self._due and self._clock.is_settled:
            self.remove_old()
            self._due, self._images_due = self._next_due(), min(self._images_due, time.monotonic())
        if time.monotonic() >= self._images_due:
            self._images_due = time.monotonic() + _LONGEST_WAIT
            if self.prune_images():
                self._images_due = math.inf

    def _look_at_clock(self) -> None:
        """Notice a clock that was set: back, the next prune may be earlier; forward, nothing is removed by its age."""
        shift = self._clock.look()
        if shift < 0 and self._due is not None:
            self._due = min(self._due, self._next_due() or self._due)
        if shift > 0:
            log(f"the clock is {shift:.0f} s ahead of its last time: nothing is pruned for an hour")

    def _is_stale(self) -> bool:
        return not self.usage.time or (self._has_changed and time.monotonic() >= self._measured + self._break())

    def _break(self) -> float:
        """Return the seconds between two measurements."""
        shortest = _BREAK_WITHOUT_QUOTA if self.policy.quota is None else _SHORTEST_BREAK
        return max(shortest, _SHARE * self.usage.seconds)

    def _seconds_to_wait(self) -> float:
        stale = self._measured + self._break() - time.monotonic() if self._has_changed else math.inf
        due = math.inf if self._due is None else self._due - time.time()
        return min(_LONGEST_WAIT, max(1.0, min(stale, due, self._images_due - time.monotonic())))

    def _next_due(self, *, since: float = math.inf) -> float | None:
        """Return the first time of the schedule after now, or after an earlier time."""
        now = datetime.fromtimestamp(max(0.0, min(time.time(), since)), timezone.utc)
        found = next_time(now, self.policy.schedule, "UTC") if self.policy.is_scheduled else None
        return found.timestamp() if found else None
