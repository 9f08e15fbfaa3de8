"""The response to a request that ran a notebook: its scraps, and the status that it chose."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from fastapi.responses import Response

from generator.runner.server.api.entities import run_entity
from generator.runner.server.api.output_files import output_address
from generator.runner.server.context import Context
from generator.runner.server.json_responses import JsonResponse
from generator.runner.server.problems import ProblemError
from generator.runner.server.runs.failures import status_of_failure
from generator.runner.server.runs.model import Run, RunState
from generator.shared import contract
from generator.shared.json_text import json_text
from generator.shared.regular_files import open_regular_file

_WITHOUT_BODY = (204, 205, 304)
_FILE = {"class", "path", "basename", "format"}
_TABLE = "application/vnd.apache.parquet"
_LARGEST_NOTEBOOK = 256 << 20
"""Bytes that are in memory twice, as they are read and in the answer."""
_SCRAPS = f"{contract.scraps_folder}/"


def respond(context: Context, run: Run, *, return_notebook: bool) -> Response:
    """Return the response for a run.

    Raises:
        ProblemError: the run failed, or its executed notebook is too large.
    """
    address = context.address(f"/runs/{run.id}")
    headers = {"Link": f'<{address}>; rel="monitor"'}
    if not run.state.final:
        headers = {"Location": address, "Preference-Applied": "respond-async"}
        return JsonResponse(run_entity(context, run), 202, headers)
    folder = context.folder(run.id)
    result = folder.read_result()
    if place := result.get("delivered"):
        headers["X-Output-Notebook"] = quote(str(place), safe="/:")
    if run.state is not RunState.SUCCEEDED and run.reason != "status-code":
        reason = run.reason or run.state.value
        raise ProblemError(
            status_of_failure(reason),
            f"{run.process}: {run.message or reason}",
            members={"reason": reason, "result": _data_scraps(context, run), "run": address},
            headers=headers,
        )
    status = run.status_code if run.status_code is not None and run.status_code >= 200 else 200
    if status in _WITHOUT_BODY:
        return Response(status_code=status, headers=headers)
    body = _body(context, run, return_notebook=return_notebook)
    return Response(body, status, headers, media_type="application/json")


def _data_scraps(context: Context, run: Run) -> dict[str, Any]:
    """Return the scraps with data, a table as a File with its address; papermill-api has no displays in a result."""
    scraps = {}
    for name, value in context.folder(run.id).read_scraps().items():
        if not _is_file(value):
            scraps[name] = value
        elif value["format"] == _TABLE:
            scraps[name] = {**value, "location": output_address(context, run.id, value["path"])}
    return scraps


def _is_file(value: Any) -> bool:
    return isinstance(value, dict) and value.keys() == _FILE and str(value["path"]).startswith(_SCRAPS)


def _body(context: Context, run: Run, *, return_notebook: bool) -> bytes:
    """Return the scraps as JSON, and the executed notebook, which is JSON in its file.

    Raises:
        ProblemError: 422, the notebook is too large for an answer; the run has succeeded, and has its files.
    """
    address = context.address(f"/runs/{run.id}")
    result = json_text(_data_scraps(context, run))
    notebook = context.folder(run.id).notebook() if return_notebook else None
    if notebook is None:
        return b'{"result": %b}\n' % result
    with open_regular_file(notebook, follow_links=False) as file:
        data = file.read(_LARGEST_NOTEBOOK + 1)
    if len(data) > _LARGEST_NOTEBOOK:
        raise ProblemError(
            422,
            f"the executed notebook has more than {_LARGEST_NOTEBOOK} bytes; fetch it from 'notebook'",
            members={"run": address, "notebook": f"{address}/notebook"},
            headers={"Link": f'<{address}>; rel="monitor"'},
        )
    return b'{"result": %b, "notebook": %b}\n' % (result, data)
