"""Links that show a run to people who cannot sign in: make and remove them, and what they show."""

from __future__ import annotations

from functools import partial

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse
from starlette.concurrency import run_in_threadpool

from generator.service.api.parameters import read_parameters
from generator.service.archives import Archive
from generator.service.context import context
from generator.service.http_errors import HttpError, raise_not_found
from generator.service.pages.jobs import artifact_response
from generator.service.pages.rendering import page
from generator.service.pages.run_views import RunView, run_view
from generator.service.pages.runs import contents, render_run
from generator.service.pages.sessions import check_writer_form
from generator.service.pages.submissions import link_secret, submit_once
from generator.service.store.run_links import create_link, find_link, remove_links

router = APIRouter(prefix="/runs/{number:int}")
public = APIRouter(prefix="/-/shared/{secret}")
_DESCRIBED = ("arrays", "geotiff")
"""Previews that ask the service, at addresses for those who sign in."""
_DAYS = ("1", "7", "30", "365")


@router.post("/share")
async def share(request: Request, number: int) -> Response:
    """Make a link, and show it once."""
    given = await read_parameters(request)

    def act() -> Response:
        here, who = context(request), check_writer_form(request, given)
        run_view(here, number)
        days = str(given.get("days", ""))
        if days not in _DAYS:
            raise HttpError(400, {"message": f"Choose one of {', '.join(_DAYS)} days."})
        seconds = int(days) * 24 * 3600.0
        database, secret = here.pipelines.database, link_secret(request, given)
        secret = create_link(database, number, user=who.identity.name, expires_in=seconds, secret=secret)
        exists = find_link(database, secret) is not None  # a form that is submitted again restores no removed link
        return render_run(request, number, link=f"{here.base(request)}/-/shared/{secret}" if exists else "")

    return await run_in_threadpool(act)


@router.post("/unshare")
async def unshare(request: Request, number: int) -> Response:
    """Remove all links to a run."""
    given = await read_parameters(request)

    def act() -> Response:
        here = context(request)
        check_writer_form(request, given)
        if here.runs.get(number) is None:
            raise_not_found()
        remove_links(here.pipelines.database, number)
        return RedirectResponse(f"/{here.project.path}/-/runs/{number}", status_code=303)

    return await submit_once(request, given, partial(run_in_threadpool, act))


@public.get("")
def shared_page(request: Request, secret: str) -> Response:
    """Show a run to anyone with a link to it: its values and results."""
    view, archive = _find(request, secret)
    shown = contents(archive)
    shown["previews"] = [one for one in shown["previews"] if not one.is_framed and one.kind not in _DESCRIBED]
    response = page(request, "shared_run.html", None, run=view, files=f"/-/shared/{secret}/files", **shown)
    return _private(response)


@public.get("/files/{path:path}")
def shared_file(request: Request, secret: str, path: str) -> Response:
    """Return a result of a run to anyone with a link to it."""
    view, _ = _find(request, secret)
    if not path.startswith("results/"):
        raise_not_found()
    return _private(artifact_response(context(request).data.job(view.job["id"]).artifacts, path))


def _find(request: Request, secret: str) -> tuple[RunView, Archive]:
    here = context(request)
    number = find_link(here.pipelines.database, secret)
    if number is None:
        raise HttpError(404, {"message": "This link does not exist, or has expired."})
    view = run_view(here, number)
    return view, Archive(here.data.job(view.job["id"]).artifacts)


def _private(response: Response) -> Response:
    """Keep the address, which is a secret, from other sites and from search engines."""
    response.headers["Referrer-Policy"] = "no-referrer"
    response.headers["X-Robots-Tag"] = "noindex"
    return response
