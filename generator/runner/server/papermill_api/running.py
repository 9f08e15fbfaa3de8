"""Run a notebook, and wait for it: ``/run/PATH``, ``/run/?notebook=PATH``, each with GET and POST."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Annotated, Any

from fastapi import APIRouter, Header, Request
from fastapi.responses import Response
from starlette.concurrency import run_in_threadpool

from generator.notebook.interface import Interface
from generator.runner.server.access import Identity
from generator.runner.server.context import context_of
from generator.runner.server.papermill_api.destinations import choose_destination
from generator.runner.server.papermill_api.documentation import run_by_get_extra, run_by_post_extra, run_responses
from generator.runner.server.papermill_api.errors import MessageRoute
from generator.runner.server.papermill_api.notebooks import find_notebook
from generator.runner.server.papermill_api.requests import RunRequest, own_names, read_get, read_post
from generator.runner.server.papermill_api.responses import respond
from generator.runner.server.preferences import seconds_to_wait
from generator.runner.server.problems import ProblemError
from generator.runner.server.submission import Submission, save, submit
from generator.runner.server.values.texts import inputs_by_name, typed_values
from generator.runner.server.waiting import wait_for_run
from generator.runner.server.workers.execution import RunOptions
from generator.shared.suggestions import did_you_mean

router = APIRouter(route_class=MessageRoute, tags=["papermill-api"])
bare_router = APIRouter(route_class=MessageRoute, include_in_schema=False)
"""The README's POST example lacks /run; this route comes after all others."""


@router.get("/run", include_in_schema=False)
@router.get("/run/{path:path}", responses=run_responses, openapi_extra=run_by_get_extra)
async def run_by_get(
    request: Request,
    path: str = "",
    prefer: Annotated[str, Header()] = "",
    idempotency_key: Annotated[str | None, Header(max_length=200)] = None,
) -> Response:
    """Run a notebook with the values of the query."""
    identity = context_of(request).access.require(request, "run")
    return await _run(request, identity, read_get(request, path), prefer, idempotency_key)


@router.post("/run", include_in_schema=False)
@router.post("/run/{path:path}", responses=run_responses, openapi_extra=run_by_post_extra)
async def run_by_post(
    request: Request,
    path: str = "",
    prefer: Annotated[str, Header()] = "",
    idempotency_key: Annotated[str | None, Header(max_length=200)] = None,
) -> Response:
    """Run a notebook with the values of the body."""
    context = context_of(request)
    identity = context.access.require(request, "run")
    asked = await read_post(request, path, largest=context.limits.body)
    return await _run(request, identity, asked, prefer, idempotency_key)


@bare_router.post("/{path:path}.ipynb")
async def run_by_bare_post(
    request: Request,
    path: str,
    prefer: Annotated[str, Header()] = "",
    idempotency_key: Annotated[str | None, Header(max_length=200)] = None,
) -> Response:
    """Run a notebook with the values of the body, without /run."""
    return await run_by_post(request, path, prefer, idempotency_key)


async def _run(request: Request, identity: Identity, asked: RunRequest, prefer: str, key: str | None) -> Response:
    context = context_of(request)
    found = await find_notebook(context, asked)
    values = _values(asked, found.served.interface)
    now = datetime.now(timezone.utc)
    submission = Submission(
        notebook=found.served,
        inputs=values,
        owner=identity.name,
        protocol="papermill-api",
        options=RunOptions(deliver=choose_destination(context, asked, found.served, values, now)),
        source=found.data,
        idempotency_key=key,
    )
    run = await submit(context, submission, caller=identity)
    wait = seconds_to_wait(prefer)
    if wait != 0:
        run = await wait_for_run(request, run, wait)
    await save(context, run)
    return await run_in_threadpool(respond, context, run, return_notebook=asked.return_notebook)


def _values(asked: RunRequest, interface: Interface) -> dict[str, Any]:
    """Return the values of a run: those of the query typed by the interface, those of the body as they are."""
    known = inputs_by_name(interface)
    texts = [(name, text) for name, text in asked.texts if name in known or name not in own_names]
    unknown = [name for name, _ in texts if name not in known]
    if unknown:
        issues = [f"{name}: no such parameter{did_you_mean(name, (*known, *own_names))}" for name in unknown]
        raise ProblemError(400, f"{asked.notebook}: unknown arguments in the query", issues=issues)
    return {**asked.values, **typed_values(interface, texts)}
