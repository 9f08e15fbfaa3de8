"""Results that a power loss took: runs that had succeeded, whose files were not on the disk yet.

Files of results are not synced as they are written, which would slow every run. The operating system writes them within
half a minute. So the first server after a start of the machine compares the last results with their records.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

from generator.runner.server.runs.folder import run_folder
from generator.runner.server.runs.model import Outcome, Run, RunState
from generator.runner.server.runs.store import RunFilter, RunStore
from generator.shared import durable_files
from generator.shared.failures import InterruptedRunError

_UNSURE = timedelta(minutes=10)
"""How long before the last known end of a run results are compared: far longer than systems keep files in memory."""
_PAGE = 500
_LOST = Outcome(
    state=RunState.FAILED,
    reason=InterruptedRunError.reason,
    message="the machine stopped before the results were on its disk",
    exit_code=137,
)


def check_after_power_loss(
    store: RunStore, data: Path, say: Callable[[str], None], *, boot: Callable[[], str] = durable_files.boot
) -> None:
    """End the runs as failed whose results a power loss took; only if the machine was started since the last call.

    Raises:
        OSError: the data folder cannot be written to.
    """
    memory, now = data / "boot", boot()
    earlier = memory.read_text(encoding="ascii", errors="replace") if memory.exists() else ""
    if now in ("", earlier):
        return
    if earlier:
        for run in _last_succeeded(store):
            if not run_folder(data, run.id).has_whole_results():
                store.lose(run.id, _LOST)
                say(f"run {run.id}: {_LOST.message}; it counts as failed")
    new = memory.with_name(f".{memory.name}.new")
    new.write_text(now, encoding="ascii")
    durable_files.replace(new, memory)


def _last_succeeded(store: RunStore) -> list[Run]:
    """Return the succeeded runs that ended soon before the last one of all."""
    ended = [run for run in _all(store) if run.ended]
    last = max((run.ended for run in ended if run.ended), default=None)
    return [
        run for run in ended if run.state is RunState.SUCCEEDED and run.ended and last and run.ended >= last - _UNSURE
    ]


def _all(store: RunStore) -> Iterator[Run]:
    before: str | None = None
    while runs := store.list(RunFilter(before=before, limit=_PAGE)):
        yield from runs
        before = runs[-1].id
