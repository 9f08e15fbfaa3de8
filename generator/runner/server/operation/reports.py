"""The messages of worker processes: for requests that wait, for the metrics, and for the log."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from generator.runner.server.context import Context
from generator.runner.server.operation.logs import log
from generator.runner.server.runs.model import Run


def take_report(context: Context, message: Mapping[str, Any]) -> None:
    """Take a message of a worker (`generator.runner.server.workers.worker`)."""
    context.events.take(message)
    if text := message.get("report"):
        log(text, level=logging.WARNING, worker=message.get("worker"))
    elif message.get("ended"):
        _note_end(context, {"id": message["ended"], **message})


def report_end(context: Context, run: Run) -> None:
    """Note a run that ended without its worker: one that was dismissed in the queue, or whose worker died."""
    _note_end(
        context,
        {"id": run.id, "notebook": run.process, "state": run.state.value, "reason": run.reason, "owner": run.owner},
    )


def note_death(context: Context, worker: str) -> None:
    """Note that a worker died unexpectedly; its run is looked after in the background."""
    context.metrics.count_death()
    log("worker died", level=logging.ERROR, worker=worker)
    context.deaths.put_nowait(worker)


def _note_end(context: Context, run: Mapping[str, Any]) -> None:
    context.metrics.count_run(run)
    log(
        "run",
        id=run["id"],
        notebook=run["notebook"],
        state=run["state"],
        reason=run.get("reason"),
        kernel=run.get("way"),
        seconds=run.get("seconds"),
        waited=run.get("waited"),
        by=run.get("owner"),
    )
