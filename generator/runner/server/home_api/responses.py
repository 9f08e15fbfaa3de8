"""The response to a request that ran a notebook."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi.responses import Response

from generator.runner.server.api.entities import run_entity
from generator.runner.server.catalogue import ServedNotebook
from generator.runner.server.context import Context
from generator.runner.server.home_api.times import local_now, stamp
from generator.runner.server.json_responses import JsonResponse
from generator.runner.server.runs.failures import status_of_failure
from generator.runner.server.runs.model import Run, RunState

_STATUS_CODE = "status-code"
"""The reason of a run whose notebook glued a status of 400 or more."""


def respond(context: Context, run: Run, notebook: ServedNotebook, values: Mapping[str, Any]) -> Response:
    """Return the response for a run: 200, the status of its failure, or 202 if it has not ended."""
    address = context.address(f"/runs/{run.id}")
    headers = {"Link": f'<{address}>; rel="monitor"'}
    if not run.state.final:
        headers |= {"Location": address, "Preference-Applied": "respond-async"}
        return JsonResponse(run_entity(context, run), 202, headers)
    secret = {name for one in notebook.interface.inputs if one.hint.secret for name in (one.id, one.name)}
    home, result = context.home, context.folder(run.id).read_result()
    if delivered := result.get("delivered"):
        context.catalogue.note_file(str(delivered))
    body: dict[str, Any] = {
        "status": "success",
        "username": context.home_of,
        "input_notebook": str(home / run.process),
        "output_notebook": str(home / str(delivered)) if delivered else None,
        "parameters": {name: value for name, value in values.items() if name not in secret},
        "timestamp": stamp(local_now()),
    }
    if run.state is RunState.SUCCEEDED:
        return JsonResponse(body, 200, headers)
    reason = run.reason or run.state.value
    body |= {
        "status": "failed",
        "detail": f"{run.process}: {run.message or reason}",
        "reason": reason,
        "cell": _failed_cell(result, reason),
        "error": run.message or reason,
        "run": address,
    }
    chosen = run.status_code if reason == _STATUS_CODE and run.status_code else 0
    return JsonResponse(body, chosen if 400 <= chosen < 600 else status_of_failure(reason), headers)


def _failed_cell(result: Mapping[str, Any], reason: str) -> int | None:
    """Return the number of the cell that ended the run: the last one that began."""
    cells = result.get("cells")
    if reason in (_STATUS_CODE, "staging-failed") or not isinstance(cells, list) or not cells:
        return None
    number = cells[-1].get("cell")
    return number if isinstance(number, int) else None
