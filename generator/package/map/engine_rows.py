"""Rows that a CWL engine runs, as ``packmill run`` does: with the steps that fetch inputs and deliver results."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from generator.containers.limits import ContainerLimits
from generator.package.engines.cluster import Cluster
from generator.package.engines.execution import execute
from generator.package.engines.log import PlainLog
from generator.package.map.collecting import collect_row
from generator.package.map.journal import Ended
from generator.package.map.records import read_object
from generator.package.map.rows import PlannedRow
from generator.package.map.scheduling import Attempt, Schedule, TooManyFailuresError, next_attempt
from generator.package.package_state import PackageState
from generator.shared import contract
from generator.shared.errors import PackmillError, RunError
from generator.shared.passing_errors import is_full_disk
from generator.subprocesses.streams import stop_streams

_WAIT = 1.0
_SHOWN = 3
"""Lines of an engine's log in the message of a row that failed outside of the process."""


@dataclass(frozen=True, kw_only=True, slots=True)
class EnginePlan:
    """How the engine runs rows: the options, and the limits of each container."""

    engine: str
    documents: Mapping[int, Path]
    """The document of each row, by the row's number."""
    package: PackageState | None
    """The package as it was checked, of which the engine reads the documents for each row; None for any."""
    options: tuple[str, ...]
    limits: ContainerLimits
    work: Path
    """The folder in which rows leave their results."""
    trust: bool = False
    cluster: Cluster | None = None
    """Where Toil runs the row's jobs; None for another engine."""

    def run(self, attempt: Attempt, left: Path) -> Mapping[str, Any]:
        """Run a row, which leaves its results in a folder, and return how it ended, as the runner answers.

        Raises:
            PackmillError: no row can run.
            OSError: the disk is full.
        """
        try:
            return self._run(attempt, left)
        except PackmillError:
            raise
        except Exception as error:  # other rows go on
            if is_full_disk(error):
                raise
            message = f"the engine could not be run, or its results not be read: {type(error).__name__}: {error}"
            return {"state": "failed", "reason": "engine-error", "message": message}

    def _run(self, attempt: Attempt, left: Path) -> Mapping[str, Any]:
        lines: deque[str] = deque(maxlen=_SHOWN)
        log = PlainLog()

        def note(line: str) -> None:
            if shown := log.pick(line):
                lines.append(shown)

        limits = replace(self.limits, memory=int(self.limits.memory * attempt.memory))
        options = self.options
        if self.cluster:
            options = self.cluster.options(left.with_name(f"{left.name}-toil"), options)
        try:
            outputs = execute(
                self.documents[attempt.row.number],
                dict(attempt.row.values),
                outdir=left,
                engine=self.engine,
                options=options,
                on_line=note,
                limits=limits,
                trust=self.trust,
            )
        except RunError as error:
            return _failed(read_object(left / contract.output_folder / contract.result_file), lines, error)
        _describe_outputs(outputs, left)
        return {"state": "succeeded"}


def _failed(record: Mapping[str, Any], lines: Sequence[str], error: RunError) -> dict[str, Any]:
    if record.get("reason"):
        return {**record, "state": "failed"}
    return {"state": "failed", "reason": "workflow-failed", "message": "\n".join(lines) or str(error)}


def _describe_outputs(outputs: Mapping[str, Any], left: Path) -> None:
    """Move results next to the output directory into it, and list all as the runner does."""
    described = {name: _described(value, left) for name, value in outputs.items()}
    (left / contract.output_object_file).write_text(json.dumps(described), encoding="utf-8")


def _described(value: Any, left: Path) -> Any:
    if isinstance(value, list):
        return [_described(item, left) for item in value]
    if not isinstance(value, dict) or not isinstance(value.get("path"), str):
        return None
    path, results = Path(value["path"]), left / contract.output_folder
    if path.parent == left and path != results and not (results / path.name).exists():
        path = path.rename(results / path.name)
    return {"path": path.relative_to(left).as_posix()} if path.is_relative_to(left) else None


@dataclass(slots=True)
class EngineScheduler:
    """Runs rows with a CWL engine, several at a time; the callbacks are those of `Scheduler`."""

    plan: EnginePlan
    schedule: Schedule
    place: Callable[[PlannedRow], Path]
    on_end: Callable[[PlannedRow, Ended], None]
    on_wait: Callable[[int], None]
    _queue: deque[Attempt] = field(default_factory=deque)
    _running: dict[Future[Mapping[str, Any]], tuple[Attempt, Path]] = field(default_factory=dict)
    _failed: int = 0
    _started: int = 0
    _has_changed: bool = False
    """Whether the package was replaced before the last row was started."""

    def run(self, rows: Sequence[PlannedRow]) -> None:
        """Run all rows.

        Raises:
            TooManyFailuresError: too many rows failed; those that ran have ended.
            RunError: the package was replaced before all rows were started; those that ran have ended.
        """
        self._queue.extend(Attempt(row) for row in rows)
        with ThreadPoolExecutor(self.schedule.parallel) as threads:
            try:
                while self._queue or self._running:
                    self._start(threads)
                    for attempt, left, answer in self._ended():
                        self._finish(attempt, left, answer)
                    self.on_wait(len(self._running))
            except BaseException:
                self._stop()
                raise
        if not self.schedule.allows(self._failed):
            raise TooManyFailuresError(f"{self._failed} rows failed")
        if self._has_changed and self.plan.package:
            raise RunError(
                f"{self.plan.package.folder}: changed after the map had begun, so no further row was started; the same "
                "command with --resume runs the rows that are left with the package as it is now"
            )

    def _start(self, threads: ThreadPoolExecutor) -> None:
        if not self.schedule.allows(self._failed):
            self._queue.clear()
        while self._queue and len(self._running) < self.schedule.parallel:
            if self.plan.package and self.plan.package.has_changed():
                self._has_changed = True
                self._queue.clear()
                return
            attempt = self._queue.popleft()
            self._started += 1
            left = self.plan.work / f"{self._started:07d}"
            self._running[threads.submit(self.plan.run, attempt, left)] = (attempt, left)

    def _ended(self) -> Iterator[tuple[Attempt, Path, Mapping[str, Any]]]:
        for future in wait(self._running, timeout=_WAIT, return_when=FIRST_COMPLETED).done:
            yield *self._running.pop(future), future.result()

    def _stop(self) -> None:
        """End all engines, also those that were about to start; each removes its containers."""
        while any(not future.done() for future in self._running):
            stop_streams()
            wait(self._running, timeout=_WAIT)

    def _finish(self, attempt: Attempt, left: Path, answer: Mapping[str, Any]) -> None:
        ended = collect_row(left, self.place(attempt.row), answer, has_ended=True)
        if again := next_attempt(attempt, ended, self.schedule):
            self._queue.append(again)
            return
        self._failed += not ended.has_succeeded
        self.on_end(attempt.row, replace(ended, attempts=attempt.number))
