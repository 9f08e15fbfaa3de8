"""The documentation of requests that start a run, for the OpenAPI document."""

from __future__ import annotations

from typing import Any

from generator.runner.server.api.models import ResultEntity, RunEntity
from generator.runner.server.runs.model import CHOICES

_seconds = {"type": ["number", "null"], "exclusiveMinimum": 0, "maximum": 10**9}
_parameters = {"type": "object", "description": "values by the parameters' ids", "additionalProperties": True}
_fields: dict[str, Any] = {
    "notebook": {"type": "string", "description": "the notebook's path", "examples": ["report.ipynb"]},
    "parameters": _parameters,
    "kernels": {"enum": [*CHOICES, None], "description": "how the kernel starts"},
    "html": {"type": "boolean", "description": "also write the executed notebook as a page"},
    "time_limit": {**_seconds, "description": "of the run, in seconds"},
    "cell_time_limit": {**_seconds, "description": "of a cell, in seconds"},
}
_request = {
    "type": "object",
    "properties": _fields,
    "required": ["notebook"],
    "additionalProperties": False,
}
_form = {
    "type": "object",
    "description": "The other fields are parameters; files are uploads.",
    "properties": {
        "notebook": _fields["notebook"],
        "request": {"type": "string", "contentMediaType": "application/json", "description": "the fields of JSON"},
    },
    "required": ["notebook"],
}
_location = {"Location": {"description": "the run's address", "schema": {"type": "string"}}}


def _links(run_id: str) -> dict[str, Any]:
    """Return the operations that a response leads to (OpenAPI 3.1, "Link Object")."""
    parameters = {"run_id": f"$response.body#{run_id}"}
    operations = {"run": "show_run_runs__run_id__get", "result": "show_result_runs__run_id__result_get"}
    return {name: {"operationId": operation, "parameters": parameters} for name, operation in operations.items()}


start_responses: dict[int | str, dict[str, Any]] = {
    200: {
        "model": ResultEntity,
        "description": "The run has ended within the time to wait",
        "headers": _location,
        "links": _links("/run/id"),
    },
    202: {"model": RunEntity, "description": "The run is accepted", "headers": _location, "links": _links("/id")},
}
start_body = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": _request,
                "examples": {"a value": {"value": {"notebook": "report.ipynb", "parameters": {"city": "Bern"}}}},
            },
            "multipart/form-data": {"schema": _form},
            "application/x-www-form-urlencoded": {"schema": _form},
        },
    }
}
start_parameters = {
    "requestBody": {
        "content": {
            "application/json": {"schema": _parameters},
            "multipart/form-data": {"schema": {"type": "object", "description": "the parameters; files are uploads"}},
            "application/x-www-form-urlencoded": {"schema": {"type": "object", "description": "the parameters"}},
        }
    }
}
