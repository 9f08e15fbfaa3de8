"""The pages of runs: the list, and one run with its progress, results and executed notebook."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import RedirectResponse
from starlette.concurrency import run_in_threadpool

from generator.runner.server.content_policy import hostile_policy
from generator.runner.server.context import Context, context_of, find_run
from generator.runner.server.file_responses import file_response
from generator.runner.server.pages.executed import NotShownError, executed_page
from generator.runner.server.pages.negotiation import FormatRoute, page_router
from generator.runner.server.pages.rendering import note, page
from generator.runner.server.pages.results import read_results
from generator.runner.server.problems import ProblemError
from generator.runner.server.runs.model import Run, RunState
from generator.runner.server.runs.store import RunFilter
from generator.runner.server.submission import dismiss

router = page_router(FormatRoute)
plain_router = APIRouter(include_in_schema=False)
"""Pages at addresses of their own, for clients of any preference."""
_PAGE = 25
_SUGGESTED = 200
"""Notebooks that the filter suggests."""


@router.get("/runs")
async def list_runs(
    request: Request,
    state: Annotated[RunState | None, Query()] = None,
    notebook: str | None = None,
    before: str | None = None,
) -> Response:
    """Show runs, newest first."""
    context = context_of(request)
    identity = context.access.require(request, "read")
    states = (state,) if state else ()
    chosen = RunFilter(states=states, process=notebook or None, owner=identity.owner, before=before, limit=_PAGE + 1)
    runs = await context.stored(context.store.list, chosen)
    notebooks = await run_in_threadpool(context.catalogue.all)
    kept = {name: value for name, value in (("state", state and state.value), ("notebook", notebook)) if value}
    return page(
        request,
        "runs.html",
        identity=identity,
        runs=runs[:_PAGE],
        paths=[one.path for one in notebooks[:_SUGGESTED]],
        states=tuple(one.value for one in RunState),
        state=state.value if state else "",
        notebook=notebook or "",
        first=before is None,
        older={**kept, "before": runs[_PAGE - 1].id} if len(runs) > _PAGE else None,
        newest=kept,
    )


@plain_router.get("/runs/{run_id}.html")
@router.get("/runs/{run_id}")
async def show_run(request: Request, run_id: str) -> Response:
    """Show one run."""
    context = context_of(request)
    identity = context.access.require(request, "read")
    run = await context.find_run(identity, run_id)
    cell, cells = context.events.progress(run)
    results = await run_in_threadpool(read_results, context.folder(run.id)) if run.state.final else None
    return page(
        request,
        "run.html",
        identity=identity,
        run=run,
        title=_title(context, run),
        cell=cell,
        cells=cells,
        results=results,
    )


@router.post("/runs/{run_id}/dismiss")
async def dismiss_run(request: Request, run_id: str) -> Response:
    """Dismiss a run, and show its page."""
    context, run = await find_run(request, run_id, "run")
    await dismiss(context, run.id)
    return RedirectResponse(context_of(request).address(f"/runs/{run.id}"), status_code=303)


@router.get("/runs/{run_id}/notebook")
async def show_notebook(request: Request, run_id: str) -> Response:
    """Show the executed notebook in a page without scripts and requests."""
    context, run = await find_run(request, run_id)
    try:
        file = await executed_page(context.folder(run.id))
    except NotShownError as error:
        return note(request, str(error))
    headers = {"Content-Security-Policy": hostile_policy, "Referrer-Policy": "no-referrer", "Vary": "Accept, Cookie"}
    return file_response(file, media_type="text/html; charset=utf-8", headers=headers)


def _title(context: Context, run: Run) -> str:
    try:
        return context.catalogue.get(run.process).title
    except ProblemError:  # the notebook was removed since
        return run.process
