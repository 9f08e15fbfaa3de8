"""Runs as resources: start, list, follow, read, dismiss."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Mapping
from typing import Annotated

from fastapi import APIRouter, Header, Query, Request
from fastapi.responses import Response, StreamingResponse
from pydantic import BaseModel, Field
from starlette.concurrency import run_in_threadpool

from generator.runner.server.access import Identity
from generator.runner.server.api.entities import result_entity, run_entity
from generator.runner.server.api.models import ResultEntity, RunEntity, RunList, binary, document
from generator.runner.server.api.run_requests import read_submission
from generator.runner.server.api.start_document import start_body, start_parameters, start_responses
from generator.runner.server.context import Context, context_of, find_run
from generator.runner.server.events import Event
from generator.runner.server.file_responses import file_response
from generator.runner.server.json_responses import JsonResponse
from generator.runner.server.problems import ProblemError
from generator.runner.server.runs.model import Choice, Run, RunState
from generator.runner.server.runs.store import RunFilter, StoreUnavailableError
from generator.runner.server.submission import Submission, dismiss, save, submit
from generator.runner.server.waiting import wait_for_run
from generator.runner.server.workers.execution import RunOptions

router = APIRouter(tags=["runs"])
_WAIT = re.compile(r"\bwait=(\d{1,6})\b")
_MOST_LISTED = 500
_LONGEST = 1e9


class StartQuery(BaseModel):
    """How a request that starts a run wants it."""

    wait: Annotated[float | None, Field(ge=0, description="seconds to wait for the result")] = None


class NotebookStartQuery(StartQuery):
    """The same, where the body has the parameters alone."""

    html: Annotated[bool, Field(description="also write the executed notebook as a page")] = False
    kernels: Annotated[Choice | None, Field(description="how the kernel starts")] = None


class StartHeaders(BaseModel):
    """Headers of a request that starts a run."""

    prefer: Annotated[str, Field(description="'wait=SECONDS' (RFC 7240)")] = ""
    idempotency_key: Annotated[
        str | None, Field(max_length=200, description="a second request with this key is answered with the first run")
    ] = None


@router.post("/runs", responses=start_responses, openapi_extra=start_body)
async def start_run(
    request: Request, query: Annotated[StartQuery, Query()], headers: Annotated[StartHeaders, Header()]
) -> Response:
    """Start a run: 202 with its address; with ``wait`` or ``Prefer: wait=N``, the result if it ends in time."""
    context = context_of(request)
    identity = context.access.require(request, "run")
    submission = await read_submission(request, context, owner=identity.name, idempotency_key=headers.idempotency_key)
    return await _start(request, identity, submission, _seconds_to_wait(headers.prefer, query.wait, context))


@router.post("/notebooks/{path:path}/runs", responses=start_responses, openapi_extra=start_parameters)
async def start_run_of_notebook(
    request: Request,
    path: str,
    query: Annotated[NotebookStartQuery, Query()],
    headers: Annotated[StartHeaders, Header()],
) -> Response:
    """Start a run of a notebook; the body has its parameters alone, as JSON or as a form with files."""
    context = context_of(request)
    identity = context.access.require(request, "run")
    submission = await read_submission(
        request,
        context,
        owner=identity.name,
        notebook=path,
        options=RunOptions(html=query.html, way=query.kernels),
        idempotency_key=headers.idempotency_key,
    )
    return await _start(request, identity, submission, _seconds_to_wait(headers.prefer, query.wait, context))


async def _start(request: Request, identity: Identity, submission: Submission, seconds: float) -> Response:
    """Queue a run and answer with its state, or with its result if it ends in time."""
    context = context_of(request)
    run = await submit(context, submission, caller=identity)
    if seconds:
        run = await wait_for_run(request, run, seconds)
    await save(context, run)
    headers = {"Location": context.address(f"/runs/{run.id}")}
    if run.state.final:
        return await run_in_threadpool(_result_response, context, run, headers)
    return JsonResponse(run_entity(context, run), 202, headers)


def _result_response(context: Context, run: Run, headers: Mapping[str, str] | None = None) -> Response:
    return JsonResponse(result_entity(context, run), headers=headers)


@router.get("/runs", responses={200: {"model": RunList}})
async def list_runs(
    request: Request,
    *,
    state: Annotated[list[RunState] | None, Query()] = None,
    notebook: str | None = None,
    schedule: str | None = None,
    before: str | None = None,
    limit: Annotated[int, Query(ge=1, le=_MOST_LISTED)] = 50,
) -> Response:
    """List runs, newest first; the Link header names the next page."""
    context = context_of(request)
    owner = context.access.require(request, "read").owner
    chosen = RunFilter(
        states=tuple(state or ()), process=notebook, owner=owner, schedule=schedule, before=before, limit=limit
    )
    runs = await context.stored(context.store.list, chosen)
    headers = {}
    if len(runs) == limit:
        query = request.url.include_query_params(before=runs[-1].id).query
        headers["Link"] = f'<{context.address("/runs")}?{query}>; rel="next"'
    return JsonResponse({"runs": [run_entity(context, run) for run in runs]}, headers=headers)


@router.get("/runs/{run_id}", responses={200: {"model": RunEntity}})
async def show_run(request: Request, run_id: str) -> Response:
    """Return the state of a run."""
    context, run = await _find(request, run_id)
    return JsonResponse(run_entity(context, run))


@router.delete("/runs/{run_id}", responses={200: {"model": RunEntity}})
async def dismiss_run(request: Request, run_id: str) -> Response:
    """Dismiss a run: 200 with its state; a run that has ended stays as it is."""
    context, run = await find_run(request, run_id, "run")
    return JsonResponse(run_entity(context, await dismiss(context, run.id)))


@router.get("/runs/{run_id}/result", responses={200: {"model": ResultEntity}})
async def show_result(request: Request, run_id: str) -> Response:
    """Return the result of a run that has ended."""
    context, run = await _find(request, run_id, ended=True)
    return await run_in_threadpool(_result_response, context, run)


@router.get("/runs/{run_id}/notebook", responses={200: document("application/x-ipynb+json")})
async def show_notebook(request: Request, run_id: str) -> Response:
    """Return the executed notebook, as it is saved while the run goes on."""
    context, run = await _find(request, run_id)
    path = await run_in_threadpool(context.folder(run.id).notebook)
    if path is None:
        raise ProblemError(404, f"run {run_id}: no executed notebook")
    return file_response(path, media_type="application/x-ipynb+json", filename=path.name)


@router.get("/runs/{run_id}/events", responses={200: binary("text/event-stream")})
async def follow_run(request: Request, run_id: str) -> Response:
    """Follow a run: server-sent events ``started``, ``cell`` and ``ended`` with the run's state as JSON."""
    context, run = await _find(request, run_id)
    return StreamingResponse(_event_stream(context, run), media_type="text/event-stream")


async def _event_stream(context: Context, run: Run) -> AsyncIterator[str]:
    yield _event_text(context, run, Event("state"))
    async for event in context.events.follow(run.id):
        try:
            run = await context.stored(context.store.get, run.id)
        except StoreUnavailableError:
            if event.kind == "ended":  # without the row, nobody knows how: the client asks again
                raise
        yield _event_text(context, run, event)
        await asyncio.sleep(0)


def _event_text(context: Context, run: Run, event: Event) -> str:
    return f"event: {event.kind}\ndata: {json.dumps(run_entity(context, run))}\n\n"


async def _find(request: Request, run_id: str, *, ended: bool = False) -> tuple[Context, Run]:
    """Return the run of a request that reads.

    Raises:
        ProblemError: 409, the run has not ended.
        RunMissingError: there is no such run.
    """
    context, run = await find_run(request, run_id)
    if ended and not run.state.final:
        raise ProblemError(
            409, f"run {run_id}: {run.state.value}; ask again when it has ended", headers={"Retry-After": "1"}
        )
    return context, run


def _seconds_to_wait(prefer: str, wait: float | None, context: Context) -> float:
    """Return how long a request waits for its run (RFC 7240, "wait" and "respond-async")."""
    preferred = _WAIT.search(prefer)
    seconds = wait if wait is not None else float(preferred[1]) if preferred else 0.0
    return min(seconds, context.limits.wait)
