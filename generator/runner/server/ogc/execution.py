"""Execute a process (18-062r2, "Execute a process"): at once, or as a job that the client follows."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Annotated

from fastapi import APIRouter, Header, Request
from fastapi.responses import Response
from starlette.concurrency import run_in_threadpool

from generator.runner.server.access import Identity
from generator.runner.server.context import Context, context_of
from generator.runner.server.ogc.addresses import Addresses
from generator.runner.server.ogc.errors import ExceptionRoute
from generator.runner.server.ogc.identifiers import find_process
from generator.runner.server.ogc.inputs import input_object
from generator.runner.server.ogc.jobs import job_status, results_response
from generator.runner.server.ogc.kept_requests import keep_request
from generator.runner.server.ogc.request import ExecuteRequest, parse_request
from generator.runner.server.ogc.responses import respond
from generator.runner.server.ogc.results import known_outputs
from generator.runner.server.problems import ProblemError
from generator.runner.server.runs.model import Run
from generator.runner.server.submission import Submission, save, submit
from generator.runner.server.values.bodies import parse_body, read_bytes
from generator.runner.server.values.strict_json import read_json_object
from generator.runner.server.waiting import wait_for_run

router = APIRouter(route_class=ExceptionRoute)
_WAIT = re.compile(r"(?:^|[,;\s])wait=(\d{1,6})\b")
_ASYNC = re.compile(r"(?:^|[,;\s])respond-async\b")


@router.post("/processes/{identifier:path}/execution")
async def execute_process(
    request: Request,
    identifier: str,
    prefer: Annotated[str, Header()] = "",
    idempotency_key: Annotated[str | None, Header(max_length=200)] = None,
) -> Response:
    """Execute a process: 200 with its results, or 201 with the status of a job (``Prefer: respond-async``)."""
    context = context_of(request)
    identity = context.access.require(request, "run")
    served = find_process(context.catalogue, identifier)
    document = await parse_body(read_json_object, await read_bytes(request, context.limits.body))
    parsed = parse_request(document, known_outputs(served.interface))
    submission = Submission(
        notebook=served, inputs={}, owner=identity.name, protocol="ogc", idempotency_key=idempotency_key
    )
    run = await _submit(context, submission, parsed, caller=identity)
    wait, applied = _preferences(prefer, context)
    if wait is None or wait > 0:
        run = await wait_for_run(request, run, wait)
    await save(context, run)
    headers = {"Preference-Applied": applied} if applied else {}
    address = Addresses(request).job(run.id)
    if run.state.final:
        return await _answer_results(request, context, run, {**headers, "Link": f'<{address}>; rel="monitor"'})
    status = job_status(context, run, Addresses(request))
    return respond(request, status, title=f"Job {run.id}", status=201, headers={**headers, "Location": address})


async def _answer_results(request: Request, context: Context, run: Run, headers: dict[str, str]) -> Response:
    """Return the results of a run, or why it has none; the links lead to the job, too."""
    try:
        response = await results_response(request, context, run)
    except ProblemError as error:
        error.headers.update(headers)
        raise
    if links := response.headers.get("Link"):
        headers["Link"] = f"{links}, {headers['Link']}"
    response.headers.update(headers)
    return response


async def _submit(context: Context, submission: Submission, parsed: ExecuteRequest, *, caller: Identity | None) -> Run:
    """Write the files of a request to the run's folder, and queue the run."""
    folder = context.folder(submission.run_id)
    folder.create()
    try:
        inputs = await run_in_threadpool(
            input_object, parsed.inputs, submission.notebook.interface, folder, largest=context.limits.upload
        )
        keep_request(folder, parsed.results)
    except BaseException:
        folder.remove()
        raise
    # which removes the folder of a refused run alone
    return await submit(context, replace(submission, inputs=inputs), caller=caller)


def _preferences(prefer: str, context: Context) -> tuple[float | None, str]:
    """Return the seconds to wait for a run, None for its end, and the preferences that this follows (RFC 7240)."""
    is_async, preferred = _ASYNC.search(prefer), _WAIT.search(prefer)
    if preferred:
        seconds = min(float(preferred[1]), context.limits.wait)
        return seconds, f"{'respond-async, ' if is_async else ''}wait={seconds:g}"
    return (0.0, "respond-async") if is_async else (None, "")
