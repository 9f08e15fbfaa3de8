"""Read a request that starts a run: the notebook, its values, and options, from JSON or a form."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi import Request

from generator.runner.server.context import Context
from generator.runner.server.problems import ProblemError
from generator.runner.server.runs.model import CHOICES
from generator.runner.server.submission import Submission
from generator.runner.server.values.bodies import parse_body
from generator.runner.server.values.request import Body, discard, read_body, values_of_parts
from generator.runner.server.values.strict_json import read_json_object
from generator.runner.server.workers.execution import RunOptions
from generator.shared.suggestions import did_you_mean

_fields = ("notebook", "parameters", "kernels", "html", "time_limit", "cell_time_limit")
_request_part = "request"


async def read_submission(
    request: Request,
    context: Context,
    *,
    owner: str,
    notebook: str | None = None,
    options: RunOptions | None = None,
    idempotency_key: str | None = None,
) -> Submission:
    """Read a request that starts a run.

    With ``notebook``, the body has the parameters alone; without, it has a field for the notebook's path too: JSON as
    an object with ``notebook`` and ``parameters``, a form as fields, with the rest as JSON in the field ``request``.

    Raises:
        ProblemError: 400, the request is not valid; 404, no such notebook; 413, it is too large; 415, not readable.
    """
    body = await read_body(request, context)
    try:
        if notebook is None:
            path, inputs, options = await _read_fields(body, context)
        else:
            path, inputs = notebook, await _parameters_alone(body, notebook, context)
        return Submission(
            notebook=context.catalogue.get(path),
            inputs=inputs,
            owner=owner,
            options=options or RunOptions(),
            idempotency_key=idempotency_key,
            run_id=body.run_id,
        )
    except BaseException:
        discard(context, body)
        raise


async def _parameters_alone(body: Body, notebook: str, context: Context) -> Mapping[str, Any]:
    if body.document is not None:
        return body.document
    return await values_of_parts(body.parts, context.catalogue.get(notebook), context)


async def _read_fields(body: Body, context: Context) -> tuple[str, Mapping[str, Any], RunOptions]:
    text = body.text(_request_part)
    document = body.document
    if document is None:
        document = await parse_body(read_json_object, text or "{}", f"{_request_part!r}")
    if unknown := sorted(document.keys() - {*_fields}):
        guess = did_you_mean(unknown[0], _fields)
        raise ProblemError(400, f"{unknown[0]!r} is not a field of a run{guess}; known are {', '.join(_fields)}")
    path = body.text("notebook") or document.get("notebook")
    if not isinstance(path, str):
        raise ProblemError(400, "'notebook' is missing: the path of a notebook, as GET /notebooks lists it")
    parameters = document.get("parameters", {})
    if not isinstance(parameters, dict):
        raise ProblemError(400, "'parameters' is not an object with a value for each parameter")
    parts = [part for part in body.parts if part.name not in ("notebook", _request_part)]
    values = await values_of_parts(parts, context.catalogue.get(path), context) if parts else {}
    if twice := sorted(values.keys() & parameters.keys()):
        raise ProblemError(400, f"{twice[0]!r} is given twice: in 'request' and as a field of the form")
    return path, {**parameters, **values}, read_options(document)


def read_options(document: Mapping[str, Any]) -> RunOptions:
    """Read the options of a run from JSON; times are in seconds.

    Raises:
        ProblemError: 400, an option has a value that it does not take.
    """
    way, html = document.get("kernels"), document.get("html", False)
    if way is not None and way not in CHOICES:
        raise ProblemError(400, f"'kernels' is {way!r}; choose one of {', '.join(CHOICES)}")
    if not isinstance(html, bool):
        raise ProblemError(400, "'html' is not true or false")
    return RunOptions(
        way=way,
        html=html,
        time_limit=_seconds(document, "time_limit"),
        cell_time_limit=_seconds(document, "cell_time_limit"),
    )


def _seconds(document: Mapping[str, Any], name: str) -> float | None:
    value = document.get(name)
    if value is None:
        return None
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 < value <= 10**9:
        raise ProblemError(400, f"{name!r} is not a number of seconds above 0")
    return float(value)
