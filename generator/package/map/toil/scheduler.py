"""Run rows with Toil, and take what they left while its jobs run, until every row has ended."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field, replace
from pathlib import Path

from generator.package.map.collecting import collect_row
from generator.package.map.containers import remove_containers
from generator.package.map.folders import remove_folder
from generator.package.map.journal import Ended
from generator.package.map.rows import PlannedRow
from generator.package.map.scheduling import Attempt, Schedule, TooManyFailuresError, next_attempt
from generator.package.map.toil.leader import Leader
from generator.package.map.toil.plan import SINGLE_MACHINE, ToilPlan
from generator.package.map.toil.waves import Wave, left_waves, write_wave
from generator.progress import Progress
from generator.shared.errors import RunError
from generator.subprocesses.streams import stop_streams

_INTERVAL = 0.5
"""Seconds between two looks at what the jobs left."""
_SHUTDOWN = 60.0
"""Seconds in which a leader ends its jobs."""


@dataclass(slots=True)
class ToilScheduler:
    """Runs rows as jobs of a Toil workflow; the callbacks are those of `Scheduler`."""

    plan: ToilPlan
    schedule: Schedule
    place: Callable[[PlannedRow], Path]
    on_end: Callable[[PlannedRow, Ended], None]
    on_wait: Callable[[int], None]
    _queue: dict[int, Attempt] = field(default_factory=dict)
    _failed: int = 0

    def run(self, rows: Sequence[PlannedRow]) -> None:
        """Run all rows.

        Raises:
            RunError: Toil does not run, or its jobs start no container.
            TooManyFailuresError: too many rows failed; those that ran have ended.
        """
        self._queue = {row.number: Attempt(row) for row in rows}
        for wave, can_continue in left_waves(self.plan, rows, isolated=self.schedule.isolated):
            self._continue(wave, can_continue=can_continue)
        while self._queue and self._may_start():
            memory = next(iter(self._queue.values())).memory
            batch = [attempt for attempt in self._queue.values() if attempt.memory == memory]
            self._run(write_wave(self.plan, batch, isolated=self.schedule.isolated))
        remove_folder(self.plan.folder)
        if not self._may_start():
            raise TooManyFailuresError(f"{self._failed} rows failed")

    def _may_start(self) -> bool:
        return self.schedule.allows(self._failed)

    def _continue(self, wave: Wave, *, can_continue: bool) -> None:
        """Take what the jobs of an interrupted map left, and run the rest of them."""
        self._collect(wave)
        if wave.left() and can_continue and self._may_start():
            self._lead(wave, restart=True)
        wave.stop()
        wave.wait_for_jobs(Progress().say)
        self._collect(wave)
        wave.remove()

    def _run(self, wave: Wave) -> None:
        last_words = self._lead(wave)
        if wave.left() and self._may_start():
            raise RunError(
                f"{len(wave.left())} rows were not run, the same command with --resume runs them; {last_words}\n"
                f"Toil's log: {wave.log}"
            )
        wave.remove()

    def _lead(self, wave: Wave, *, restart: bool = False) -> str:
        """Run a leader until it ends; return the end of its log."""
        leader = Leader(self.plan, wave, restart)
        with ThreadPoolExecutor(1) as threads:
            running = threads.submit(leader.run)
            try:
                self._follow(wave, running)
            except BaseException:
                wave.stop()
                _end(running)
                if self.plan.batch_system == SINGLE_MACHINE:
                    remove_containers(self.plan.containers.label, Progress().warn)
                self._collect(wave)
                raise
        self._collect(wave)
        code = running.result()
        return (
            f"Toil's leader ended with code {code}; {leader.last_words()}" if code >= 0 else "Toil's leader was killed"
        )

    def _follow(self, wave: Wave, running: Future[int]) -> None:
        while not running.done():
            wait((running,), timeout=_INTERVAL)
            self._collect(wave)
            jobs = wave.running()
            self.on_wait(jobs)
            if not self._may_start():
                wave.stop()
                if not jobs:
                    _end(running)
        running.result()

    def _collect(self, wave: Wave) -> None:
        for attempt, left, answer in wave.answers():
            limits, has_ended = self.plan.containers.writing, answer.get("container_ended") is True
            final, note = self.place(attempt.row), wave.note_of_move(attempt.row.number)
            ended = collect_row(left, final, answer, limits=limits, has_ended=has_ended, note=note)
            self._finish(attempt, ended)
            wave.note_taken(attempt.row.number)
            remove_folder(left)  # last: a map that continues takes the results again that are not noted

    def _finish(self, attempt: Attempt, ended: Ended) -> None:
        if again := next_attempt(attempt, ended, self.schedule):
            self._queue[attempt.row.number] = again
            return
        self._queue.pop(attempt.row.number, None)
        self._failed += not ended.has_succeeded
        self.on_end(attempt.row, replace(ended, attempts=attempt.number))


def _end(running: Future[int]) -> None:
    """End the leader, which ends its jobs. A second signal would interrupt it in that."""
    while not running.done():
        stop_streams()
        wait((running,), timeout=_SHUTDOWN)
