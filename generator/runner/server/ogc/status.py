"""The status of a job (``statusInfo.yaml``)."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

from generator.runner.server.ogc.addresses import (
    Addresses,
    exceptions_relation,
    link,
    results_relation,
    self_links,
)
from generator.runner.server.ogc.identifiers import process_id
from generator.runner.server.runs.model import Run, RunState

status_codes = {
    RunState.QUEUED: "accepted",
    RunState.RUNNING: "running",
    RunState.SUCCEEDED: "successful",
    RunState.FAILED: "failed",
    RunState.DISMISSED: "dismissed",
}
"""The standard's word for each state (``statusCode.yaml``)."""


def status_info(run: Run, addresses: Addresses, *, cell: int, cells: int) -> dict[str, Any]:
    """Return the status of a run whose cell number ``cell`` of ``cells`` runs."""
    entity: dict[str, Any] = {
        "processID": process_id(run.process),
        "type": "process",
        "jobID": run.id,
        "status": status_codes[run.state],
        "message": _message(run, cell, cells),
        "created": _time(run.created),
    }
    if run.started is not None:
        entity["started"] = _time(run.started)
    if run.ended is not None:
        entity["finished"] = _time(run.ended)
    entity["updated"] = _time(run.ended or run.started or run.created)
    entity["progress"] = _progress(run, cell, cells)
    entity["links"] = _links(run, addresses)
    return entity


def _message(run: Run, cell: int, cells: int) -> str:
    if run.state is RunState.RUNNING and cells:
        return f"cell {cell} of {cells}"
    return run.message or run.note or run.state.value


def _progress(run: Run, cell: int, cells: int) -> int:
    """Return the percentage of the cells that have ended."""
    if run.state is RunState.SUCCEEDED:
        return 100
    return min(99, 100 * max(cell - 1, 0) // cells) if cells else 0


def _links(run: Run, addresses: Addresses) -> list[dict[str, Any]]:
    links = [*self_links(addresses.job(run.id)), link(addresses.jobs, "up", "jobs")]
    if run.state is RunState.SUCCEEDED:
        links.append(link(addresses.results(run.id), results_relation, "results"))
    if run.state is RunState.FAILED:
        links.append(link(addresses.results(run.id), exceptions_relation, "why the job failed"))
    return links


def _time(time: datetime) -> str:
    return time.astimezone(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")
