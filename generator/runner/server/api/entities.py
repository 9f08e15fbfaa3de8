"""The JSON of a run."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from generator.runner.server.api.output_files import outputs_of
from generator.runner.server.context import Context
from generator.runner.server.runs.model import Run


def run_entity(context: Context, run: Run) -> dict[str, Any]:
    """Return a run's state as JSON."""
    cell, cells = context.events.progress(run)
    address = context.address(f"/runs/{run.id}")
    links = {"self": address, "events": f"{address}/events", "page": f"{address}.html"}
    if run.state.final:
        links |= {"result": f"{address}/result", "notebook": f"{address}/notebook", "outputs": f"{address}/outputs/"}
    return {
        "id": run.id,
        "notebook": run.process,
        "state": run.state.value,
        "cell": cell,
        "cells": cells,
        "created": _time(run.created),
        "started": _time(run.started),
        "ended": _time(run.ended),
        "reason": run.reason,
        "error": run.message,
        "exit_code": run.exit_code,
        "status_code": run.status_code,
        "kernel_way": run.way,
        "note": _note(run),
        "owner": run.owner,
        "protocol": run.protocol,
        "schedule": run.schedule,
        "links": links,
    }


def result_entity(context: Context, run: Run) -> dict[str, Any]:
    """Return the result of an ended run: ``result.json``, the scraps, and where the files are."""
    folder = context.folder(run.id)
    result = folder.read_result()
    if "outputs" in result:
        result["outputs"] = outputs_of(context, run.id)
    return {**result, "run": run_entity(context, run), "scraps": folder.read_scraps()}


def _note(run: Run) -> str | None:
    notes = (run.options.get("note"), run.note)
    return "; ".join(note for note in notes if note) or None


def _time(time: datetime | None) -> str | None:
    return None if time is None else time.isoformat(timespec="milliseconds")
