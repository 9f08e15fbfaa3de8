"""Rows of runs, as both databases have them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from generator.runner.server.runs.model import Outcome, Run, RunState

COLUMNS = (
    "id, process, owner, protocol, options, state, created, started, ended, cell, cells, worker, reason, message, "
    "exit_code, status_code, way, note, idempotency_key, schedule"
)
END_LOST = """
    worker = NULL,
    state = CASE WHEN dismissed THEN 'dismissed' WHEN cell = 0 THEN 'queued' ELSE 'failed' END,
    started = CASE WHEN dismissed OR cell > 0 THEN started END,
    ended = CASE WHEN dismissed OR cell > 0 THEN {now} END,
    reason = CASE WHEN dismissed THEN 'dismissed' WHEN cell > 0 THEN 'interrupted' END,
    message = CASE WHEN cell > 0 AND NOT dismissed THEN 'the worker process of the run died' END,
    exit_code = CASE WHEN cell > 0 AND NOT dismissed THEN 137 END
"""
"""The columns of the running run of a dead worker; ``now`` is an SQL expression."""


def run_of_row(row: Mapping[str, Any]) -> Run:
    """Return the run of a row, whose times are datetimes."""
    return Run(**{**row, "state": RunState(row["state"]), "options": json.loads(row["options"])})


def ending(outcome: Outcome) -> dict[str, Any]:
    """Return the columns that an outcome sets."""
    return {
        "state": outcome.state.value,
        "reason": outcome.reason,
        "message": storable(outcome.message),
        "exit_code": outcome.exit_code,
        "status_code": outcome.status_code,
        "way": outcome.way,
        "note": storable(outcome.note),
    }


def storable(text: str | None) -> str | None:
    """Replace the characters that a database refuses: NUL, and halves of surrogate pairs."""
    if text is None:
        return None
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}").encode(errors="replace").decode()
