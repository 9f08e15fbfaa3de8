"""Give rows to containers, and take what they left, until every row has ended."""

from __future__ import annotations

import os
import selectors
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from generator.containers.limits import output_advice
from generator.package.engine_presence import require_engine
from generator.package.map.collecting import collect_row, load_checks
from generator.package.map.containers import ContainerPlan
from generator.package.map.copying import is_large
from generator.package.map.files import Mounts
from generator.package.map.folders import remove_folder
from generator.package.map.journal import Ended
from generator.package.map.row_container import Container
from generator.package.map.rows import PlannedRow
from generator.shared.errors import RunError
from generator.shared.failures import OutputLimitError

_MORE_MEMORY = 2.0
_MEMORY = frozenset(("out-of-memory", "kernel-died"))
"""Reasons that a second attempt with more memory may not meet."""
_PASSING = _MEMORY | {"container-died", "workflow-failed", "engine-error"}
"""Reasons that a second attempt may not meet."""
_WAIT = 1.0
_STARTS = max(4, 2 * (os.cpu_count() or 1))
"""How many containers start at a time. More of them take each other's processors: Docker 20.10, asked for 1,500 at
once, answered nobody for minutes, and then refused some."""
_ENDS = _STARTS
"""How many containers may be about to end while others start: Docker takes a while to remove one."""
_DOCKER_FAILED = 125
"""Exit code of ``docker run`` if the container was not started (docker run, "Exit status")."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Schedule:
    """How rows are distributed; ``isolated`` gives each row a container of its own."""

    parallel: int
    isolated: bool = False
    retries: int = 0
    max_failures: int | None = None

    def allows(self, failures: int) -> bool:
        """Whether further rows may start after so many failures."""
        return self.max_failures is None or failures <= self.max_failures


@dataclass(slots=True)
class Attempt:
    """One run of a row; ``memory`` multiplies the limit."""

    row: PlannedRow
    number: int = 1
    memory: float = 1.0


def next_attempt(attempt: Attempt, ended: Ended, schedule: Schedule) -> Attempt | None:
    """Return the attempt after one that failed; None if it would fail again, or the row has had all attempts."""
    if ended.has_succeeded or ended.reason not in _PASSING or attempt.number > schedule.retries:
        return None
    memory = attempt.memory * (_MORE_MEMORY if ended.reason in _MEMORY else 1)
    return Attempt(attempt.row, attempt.number + 1, memory)


def way_after(answer: Mapping[str, Any]) -> str:
    """Return the way for later rows of the notebook: a quicker one, if a row has shown that it suits."""
    if answer.get("direct") is True:
        return "direct"
    is_cold = answer.get("state") == "succeeded" and answer.get("way", "") in (None, "cold")
    return "cold" if is_cold and not answer.get("note") else "auto"  # a note is for each row


class TooManyFailuresError(RunError):
    """More rows failed than the user allows."""


@dataclass(slots=True)
class Scheduler:
    """Runs rows in containers; ``on_end`` is called with each row that ended, ``on_wait`` with how many run."""

    plan: ContainerPlan
    schedule: Schedule
    place: Callable[[PlannedRow], Path]
    on_end: Callable[[PlannedRow, Ended], None]
    on_wait: Callable[[int], None]
    _queue: deque[Attempt] = field(default_factory=deque)
    _alone: deque[Attempt] = field(default_factory=deque)
    """Attempts that need a container of their own, because they get more memory."""
    _containers: list[Container] = field(default_factory=list)
    _selector: selectors.BaseSelector = field(default_factory=selectors.DefaultSelector)
    _removal: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1))
    """Removes the folders that rows leave: on some file systems that takes longer than a row."""
    _endings: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(_ENDS))
    """Kills containers, and waits for their ends, which takes as long as Docker takes to remove them."""
    _ending: set[Future[int]] = field(default_factory=set)
    _kills: dict[Container, Future[None]] = field(default_factory=dict)
    """The last kill of each container that exceeds its limits."""
    _large: dict[Container, tuple[Attempt, Path, Mapping[str, Any]]] = field(default_factory=dict)
    """The last row of containers, whose results are moved once the container has ended: to copy them takes longer."""
    _way_of_one: str = "auto"
    """The way of containers for one row: such a container learns too late which one suits the notebook."""
    _failed: int = 0
    _mounts: Mounts = field(default_factory=lambda: Mounts(()))
    _files: Mapping[str, Path] = field(default_factory=dict)
    """What containers of several rows can read: the files of the next rows."""
    _measure_at: float = 0.0

    def run(self, rows: Sequence[PlannedRow]) -> None:
        """Run all rows.

        Raises:
            EngineMissingError: no container engine answers.
            RunError: no container can be started.
            TooManyFailuresError: too many rows failed; those that ran have ended.
        """
        self._queue.extend(Attempt(row) for row in rows)
        self._mounts = Mounts(row.values for row in rows)
        self._files = self._mounts.of_first(row.values for row in rows)
        try:
            self._start_containers()
            load_checks()  # while the containers start
            while self._queue or self._alone or self._containers:
                self._start_containers()
                for key, _ in self._selector.select(_WAIT):
                    self._hear(key.fileobj)  # type: ignore[arg-type]
                self._end_beyond_limits()
                self.on_wait(sum(one.row is not None for one in self._containers))
        finally:
            for container in self._containers:
                container.close()
            self._endings.shutdown()
            self._removal.shutdown()
            self._selector.close()
        if not self.schedule.allows(self._failed):
            raise TooManyFailuresError(f"{self._failed} rows failed")

    def _start_containers(self) -> None:
        if not self.schedule.allows(self._failed):
            self._queue.clear()
            self._alone.clear()
        while self._may_add() and (self._alone or self._queue):
            alone = bool(self._alone) or self.schedule.isolated
            first = (self._alone or self._queue).popleft()
            files = self._files_of(first, alone=alone)
            way = self._way_of_one if alone and self.plan.way == "auto" else self.plan.way
            plan = replace(self.plan, way=way)
            container = Container(plan, self._mounts, files, memory=first.memory, one=alone)
            self._containers.append(container)
            self._selector.register(container, selectors.EVENT_READ)
            container.ask(first, first.row.values)
            if alone:
                container.close()

    def _files_of(self, first: Attempt, *, alone: bool) -> Mapping[str, Path]:
        """Return the files of the container that a row starts in: without ``alone``, those of later rows as well."""
        files = self._mounts.of_row(first.row.values)
        if alone:
            return files
        if not files.keys() <= self._files.keys():
            self._files = self._mounts.of_first(attempt.row.values for attempt in (first, *self._queue))
        return self._files

    def _may_add(self) -> bool:
        """Whether a further container may start: one that has done all its rows needs no processor any more."""
        starting = sum(not one.is_ready for one in self._containers)
        busy = sum(not one.has_done_all for one in self._containers)
        has_room = len(self._containers) + len(self._ending) < self.schedule.parallel + _ENDS
        return busy < self.schedule.parallel and starting < _STARTS and has_room

    def _ask_next(self, container: Container) -> None:
        if self._queue and container.can_read_files_of(self._queue[0].row.values):
            attempt = self._queue.popleft()
            container.ask(attempt, attempt.row.values)
        else:
            container.close()  # the next container has the files of the next rows

    def _end_beyond_limits(self) -> None:
        """Kill the containers that exceed their limits, until each has ended; measured rarely if that takes long."""
        began = time.monotonic()
        if began < self._measure_at:
            return
        for container in self._containers:
            killing = self._kills.get(container)
            if container.measure() and (killing is None or killing.done()):
                self._kills[container] = self._endings.submit(container.kill)
        now = time.monotonic()
        self._measure_at = now + max(_WAIT, 10 * (now - began))

    def _hear(self, container: Container) -> None:
        answers = container.answers()
        if answers is None:
            self._lose(container)
            return
        for answer in answers:
            self._way_of_one = way_after(answer)
            attempt, left = container.row, container.take()
            if is_large(left):
                self._large[container] = attempt, left, answer
                container.close()
                continue
            if not container.is_closed:
                self._ask_next(container)  # before the results are read: it does not wait for this process
            self._collect(attempt, left, answer, container.excess)

    def _collect(
        self, attempt: Attempt, left: Path, answer: Mapping[str, Any], excess: str = "", *, has_ended: bool = False
    ) -> None:
        excess = excess or self.plan.writing.problem((left,), has_ended=has_ended)
        place, limits = self.place(attempt.row), self.plan.writing
        if excess:
            message = f"{excess}; {output_advice}"
            ended = Ended(state="failed", reason=OutputLimitError.reason, message=message)
            with suppress(OSError):  # results of an earlier attempt, maybe with other values
                remove_folder(place)
        else:
            ended = collect_row(left, place, answer, limits=limits, has_ended=has_ended)
        self._removal.submit(remove_folder, left)
        self._finish(attempt, ended)

    def _lose(self, container: Container) -> None:
        """Collect what an ended container left; a row still running has failed."""
        self._kills.pop(container, None)
        self._selector.unregister(container)
        self._containers.remove(container)
        if container.row is not None:
            self._fail(container, container.end())
        elif large := self._large.pop(container, None):
            code = container.end()
            self._collect(*large, container.excess, has_ended=_has_ended(code))
        ending = self._endings.submit(container.end)
        self._ending.add(ending)
        ending.add_done_callback(partial(self._remove, container))

    def _remove(self, container: Container, ending: Future[int]) -> None:
        """Remove the folder of a container that has ended."""
        self._ending.discard(ending)
        self._removal.submit(container.remove)

    def _fail(self, container: Container, code: int) -> None:
        """Collect what the row left that was running when its container ended.

        Raises:
            EngineMissingError: the container was not started, because the engine does not answer.
            RunError: the container was never ready, and not killed for what it wrote.
        """
        if not container.is_ready and not container.excess:
            if code == _DOCKER_FAILED and self.plan.program == "docker":
                require_engine()
            raise RunError(_why_not_started(code, container.last_words(), lacks_image=container.lacks_image))
        attempt, left = container.row, container.take()
        self._collect(attempt, left, container.failure(code), container.excess, has_ended=_has_ended(code))

    def _finish(self, attempt: Attempt, ended: Ended) -> None:
        if again := next_attempt(attempt, ended, self.schedule):
            self._alone.append(again)
            return
        self._failed += not ended.has_succeeded
        self.on_end(attempt.row, replace(ended, attempts=attempt.number))


def _has_ended(code: int) -> bool:
    """Whether a container has ended with the command that started it, which was killed itself or failed otherwise."""
    return code >= 0 and code != _DOCKER_FAILED


def _why_not_started(code: int, last_words: str, *, lacks_image: bool) -> str:
    if code == _DOCKER_FAILED:
        advice = "; build the package again, or push its image to a registry" if lacks_image else ""
        return f"Docker did not start a container; {last_words}{advice}"
    advice = "an image of an older packmill cannot run rows: build the package again"
    return f"the runner did not start (exit code {code}); {last_words}; {advice}"
