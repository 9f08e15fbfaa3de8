"""Run a notebook of the home and wait for it: ``/execute`` by name, ``/run-notebook`` by path."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

from fastapi import APIRouter, Header, Request
from fastapi.responses import Response
from starlette.concurrency import run_in_threadpool

from generator.runner.server.api.runs import StartHeaders
from generator.runner.server.catalogue import ServedNotebook
from generator.runner.server.context import Context, context_of
from generator.runner.server.home_api.destinations import choose_destination
from generator.runner.server.home_api.models import execute_extra, run_notebook_extra, run_responses
from generator.runner.server.home_api.notebooks import check_user, find_by_name, find_by_path
from generator.runner.server.home_api.requests import HomeRequest, read_execute, read_run_notebook
from generator.runner.server.home_api.responses import respond
from generator.runner.server.home_api.times import local_now
from generator.runner.server.preferences import seconds_to_wait
from generator.runner.server.submission import Submission, save, submit
from generator.runner.server.values.bodies import parse_body, read_bytes
from generator.runner.server.waiting import wait_for_run
from generator.runner.server.workers.execution import RunOptions

router = APIRouter(tags=["JupyterHub home"])


@router.post("/execute", responses=run_responses, openapi_extra=execute_extra)
async def execute(request: Request, headers: Annotated[StartHeaders, Header()]) -> Response:
    """Run a notebook by its name; the executed notebook is stored in the home."""
    return await _run(request, headers, read_execute, find_by_name)


@router.post("/run-notebook", responses=run_responses, openapi_extra=run_notebook_extra)
async def run_notebook(request: Request, headers: Annotated[StartHeaders, Header()]) -> Response:
    """Run a notebook by its path; the executed notebook is stored at another path of the home."""
    return await _run(request, headers, read_run_notebook, find_by_path)


async def _run(
    request: Request,
    headers: StartHeaders,
    read: Callable[[bytes], HomeRequest],
    find: Callable[[Context, str], ServedNotebook],
) -> Response:
    context = context_of(request)
    identity = context.access.require(request, "run")
    asked = await parse_body(read, await read_bytes(request, context.limits.body, advice=""))
    check_user(context, asked.username)
    notebook = await run_in_threadpool(find, context, asked.notebook)
    destination = await run_in_threadpool(choose_destination, context, notebook, asked.output_path, local_now())
    submission = Submission(
        notebook=notebook,
        inputs=asked.values,
        owner=identity.name,
        protocol="home",
        options=RunOptions(deliver=destination, replaces=asked.output_path is not None, time_limit=asked.time_limit),
        idempotency_key=headers.idempotency_key,
    )
    run = await submit(context, submission, caller=identity)
    wait = seconds_to_wait(headers.prefer)
    if wait != 0:
        run = await wait_for_run(request, run, wait)
    await save(context, run)
    return await run_in_threadpool(respond, context, run, notebook, asked.values)
