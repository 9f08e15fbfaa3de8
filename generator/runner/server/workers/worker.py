"""A worker process: takes runs from the queue, executes them one at a time, and tells the server.

``python -m generator.runner.server.workers.worker FD``, where FD is its end of a channel. If the server ends, however,
the worker finishes the run that it has begun and ends too, so that a killed server loses no run.
"""

from __future__ import annotations

import os
import select
import signal
import socket
import sys
import threading
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from generator.runner.packaged.kept_copy import KeptCopy, KeptHome
from generator.runner.server.garbage_collection import exempt_loaded_objects
from generator.runner.server.kernels.warm import WarmKernels
from generator.runner.server.own_folder import OwnFolder
from generator.runner.server.runs.folder import run_folder
from generator.runner.server.runs.model import Outcome, Run, RunState
from generator.runner.server.runs.store import ChangeKind, Changes, RunLostError, RunStore, StoreUnavailableError
from generator.runner.server.runs.stores import open_store
from generator.runner.server.variables import set_for_a_while
from generator.runner.server.workers.channel import receive, send
from generator.runner.server.workers.execution import Kept, execute_run
from generator.runner.server.workers.settings import WorkerSettings
from generator.shared.failures import InterruptedRunError

_POLL = 1.0
"""Seconds between two looks at the queue if no message arrives."""
_FINISH_PATIENCE = 3600.0
_RESULTS_LOST = "the disk of the server was full, and results of the run were removed"
_PROGRESS_INTERVAL = 1.0
"""Seconds between two notes of the running cell in the database; the server hears of each cell at once."""


class Worker:
    """One worker process."""

    def __init__(self, channel: socket.socket, settings: WorkerSettings, store: RunStore) -> None:
        self._channel = channel
        self._settings = settings
        self._store = store
        self._wake = threading.Event()
        self._stopping = False
        self._guard = threading.Lock()
        self._current: str | None = None
        self._dismissed = False
        self._own = OwnFolder(settings.data / "kept", settings.name)
        spares = None if settings.in_place else self._own.path  # a spare kernel would take the place of the folder
        self._kernels = WarmKernels(default=settings.kernels, folder=spares, log=self._report)
        self._kept = Kept(self._kernels, KeptCopy(self._own.path / "run"), KeptHome())

    def work(self) -> None:
        """Take runs until the server ends or asks to stop."""
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, lambda *_: self._stop())
        threading.Thread(target=self._listen, daemon=True).start()
        if changes := self._store.listen(ChangeKind.QUEUED, ChangeKind.DISMISSED):
            threading.Thread(target=self._follow, args=[changes], daemon=True).start()
        exempt_loaded_objects()
        send(self._channel, {"ready": os.getpid()})
        self._kernels.expect()
        while not self._stopping:
            self._wake.clear()
            run = self._claim()
            if run is not None:
                self._execute(run)
                continue
            send(self._channel, {"idle": True})
            self._kernels.tidy()
            self._wake.wait(_POLL)
        self._kernels.end()
        self._kept.home.remove()
        self._own.remove()

    def _claim(self) -> Run | None:
        try:
            return self._store.claim(self._settings.name)
        except StoreUnavailableError:
            return None

    def _stop(self) -> None:
        self._stopping = True
        self._wake.set()

    def _listen(self) -> None:
        """Handle the server's messages; in a thread of its own, since the main thread executes runs."""
        while (message := receive(self._channel)) is not None:
            if message.get("do") == "dismiss":
                self._dismiss(message["run"])
            elif message.get("do") == "stop":
                self._stop()
            self._wake.set()
        self._stop()

    def _follow(self, changes: Changes) -> None:
        """Handle what other servers do; in a thread of its own."""
        poll = select.poll()
        poll.register(changes.fileno(), select.POLLIN)
        while poll.poll():
            for change in changes.read():
                if change.kind is ChangeKind.DISMISSED and (run_id := change.run_id or self._current):
                    with suppress(StoreUnavailableError):
                        if self._store.is_dismissed(run_id):
                            self._dismiss(run_id)
            self._wake.set()

    def _dismiss(self, run_id: str) -> None:
        with self._guard:  # the run cannot end, and another one begin, meanwhile
            if self._current == run_id:
                self._dismissed = True
                os.kill(os.getpid(), signal.SIGINT)

    def _execute(self, run: Run) -> None:
        with self._guard:
            self._current = run.id
        # a run that was dismissed before this moment is in the database, and later ones are heard of
        self._dismissed = self._store.is_dismissed(run.id)
        send(self._channel, {"started": run.id})
        started, begun, noted = time.monotonic(), False, 0.0

        def note_cell(cell: int, cells: int) -> None:
            nonlocal begun, noted
            if self._dismissed:  # before the run could be interrupted
                raise InterruptedRunError(signal.SIGINT)
            # the first cell is always noted before it begins, since a run with a cell is not repeated
            if (cell and not begun) or time.monotonic() - noted >= _PROGRESS_INTERVAL:
                first, begun, noted = not begun, begun or bool(cell), time.monotonic()
                self._note_progress(run.id, cell, cells, needed=first or self._store.blocking)
            send(self._channel, {"cell": run.id, "number": cell, "of": cells})

        outcome = execute_run(
            run,
            run_folder(self._settings.data, run.id),
            self._settings,
            self._kept,
            on_cell=note_cell,
        )
        with self._guard:
            self._current = None
        if self._dismissed and outcome.state is not RunState.SUCCEEDED:
            outcome = replace(outcome, state=RunState.DISMISSED, reason="dismissed", message=None)
        self._finish(run, outcome)
        send(self._channel, _end(run, outcome, time.monotonic() - started))

    def _finish(self, run: Run, outcome: Outcome) -> None:
        """Store how a run ended, as soon as the database can.

        If its disk is full, a run that failed gives up its results: they may be what fills it, and nothing else could
        end the run, so that retention would never reach them.
        """
        end = time.monotonic() + _FINISH_PATIENCE
        folder = run_folder(self._settings.data, run.id)
        ways_to_free = iter(() if outcome.state is RunState.SUCCEEDED else (folder.remove_results, folder.clear_output))
        while True:
            try:
                self._store.finish(run.id, outcome)
                return
            except StoreUnavailableError as error:
                if self._stopping or time.monotonic() > end:
                    raise
                self._report(f"run {run.id}: its end cannot be stored yet: {error}")
                if "full" in str(error) and (free := next(ways_to_free, None)):
                    with suppress(OSError):
                        free()
                    outcome = replace(outcome, note=_with_loss(outcome.note))
                    continue
                self._wake.clear()  # it may be set since the run began
                self._wake.wait(_POLL)

    def _report(self, line: str) -> None:
        """Have the server log a line."""
        send(self._channel, {"report": line, "worker": os.getpid()})

    def _note_progress(self, run_id: str, cell: int, cells: int, *, needed: bool) -> None:
        """Note the running cell, or die: if this worker counts as dead, another one may have its run and its files.

        Raises:
            StoreUnavailableError: the database does not answer, or its disk is full, and the note is ``needed``.
        """
        try:
            self._store.set_progress(run_id, cell=cell, cells=cells)
        except RunLostError:
            os.killpg(os.getpgrp(), signal.SIGKILL)
        except StoreUnavailableError:
            if needed:
                raise


def _with_loss(note: str | None) -> str:
    """Add to the note of a run that its results are lost."""
    return "\n".join(dict.fromkeys((*(note or "").splitlines(), _RESULTS_LOST)))


def _end(run: Run, outcome: Outcome, seconds: float) -> dict[str, Any]:
    """Return the message that a run has ended, with what metrics and logs need of it."""
    return {
        "ended": run.id,
        "notebook": run.process,
        "owner": run.owner,
        "state": outcome.state.value,
        "reason": outcome.reason,
        "way": outcome.way,
        "seconds": round(seconds, 3),
        "waited": round(max(0.0, ((run.started or run.created) - run.created).total_seconds()), 3),
    }


def main(descriptor: int) -> None:
    """Work until the server ends."""
    _offer_to_oom_killer()
    channel = socket.socket(fileno=descriptor)
    message = receive(channel)
    if message is None:
        return
    settings = WorkerSettings.from_message(message)
    with set_for_a_while(settings.variables):
        store = open_store(settings.data, settings.database)
    try:
        Worker(channel, settings, store).work()
    finally:
        store.close()


def _offer_to_oom_killer() -> None:
    """Let Linux end this process or a kernel of it, rather than the server, if memory runs out (proc(5))."""
    file = Path("/proc/self/oom_score_adj")
    with suppress(OSError):
        file.write_text(str(min(1000, int(file.read_text()) + 300)))


if __name__ == "__main__":
    main(int(sys.argv[1]))
