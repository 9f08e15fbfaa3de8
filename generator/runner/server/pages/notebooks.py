"""The first page: the notebooks and the latest runs."""

from __future__ import annotations

from fastapi import Request, Response
from starlette.concurrency import run_in_threadpool

from generator.runner.server.context import context_of
from generator.runner.server.pages.negotiation import page_router
from generator.runner.server.pages.rendering import page
from generator.runner.server.runs.model import Run
from generator.runner.server.runs.store import RunFilter

router = page_router()
_RECENT = 10
_LOOKED_AT = 500
"""Runs among which the last one of each notebook is looked for."""
_SHOWN, _SEARCHED = 100, 12
"""Notebooks that are shown at once, and that are shown without a field to search."""


@router.get("/")
@router.get("/notebooks")
async def home(request: Request, search: str = "") -> Response:
    """Show the notebooks, perhaps those whose title or path has a text, and the latest runs."""
    context = context_of(request)
    identity = context.access.require(request, "read")
    runs = await context.stored(context.store.list, RunFilter(owner=identity.owner, limit=_LOOKED_AT))
    last: dict[str, Run] = {}
    for run in runs:
        last.setdefault(run.process, run)
    notebooks = await run_in_threadpool(context.catalogue.all)
    found = [one for one in notebooks if search.lower() in f"{one.title}\n{one.path}".lower()]
    return page(
        request,
        "home.html",
        identity=identity,
        folder=context.catalogue.root.name,
        notebooks=found[:_SHOWN],
        number=len(found),
        search=search,
        can_search=len(notebooks) > _SEARCHED or search,
        last=last,
        runs=() if search else runs[:_RECENT],
    )
