"""The pages of runs: all of them, one, and two side by side."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import sqlalchemy as sa
from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse
from starlette.concurrency import run_in_threadpool

from generator.service.api.parameters import read_parameters
from generator.service.archives import Archive
from generator.service.context import context
from generator.service.http_errors import HttpError, raise_not_found
from generator.service.pages import previews
from generator.service.pages.badges import pipeline_status
from generator.service.pages.rendering import duration, page
from generator.service.pages.run_views import RunView, run_view
from generator.service.pages.sessions import check_writer_form, session
from generator.service.pages.submissions import submit_once
from generator.service.pages.value_texts import short_values
from generator.service.runs import comparison
from generator.service.runs.comparison import Difference
from generator.service.store import states
from generator.service.store.database import pipelines
from generator.service.store.run_links import list_links
from generator.service.store.run_tables import runs
from generator.shared.size_text import size_text

router = APIRouter(prefix="/runs")
_PER_PAGE, _MOST_PICTURES, _MOST_NOTEBOOKS = 25, 40, 10


@router.get("")
def runs_page(request: Request) -> Response:
    """List the runs of packages, newest first."""
    here, who = context(request), session(request)
    text = request.query_params.get("page", "")
    number = max(1, int(text)) if text.isdecimal() and len(text) < 10 else 1
    columns = (runs.c[name] for name in ("job", "folder", "process", "values", "withheld"))
    joined = sa.select(pipelines, *columns).join(runs, runs.c.pipeline_id == pipelines.c.id)
    total, found = here.pipelines.count_and_page(
        joined.order_by(pipelines.c.id.desc()), limit=_PER_PAGE, offset=(number - 1) * _PER_PAGE
    )
    listed = []
    for row in found:
        mine = [dict(one) for one in here.pipelines.jobs_of(row["id"], with_retried=False)]
        word = pipeline_status(row["status"], mine)
        seconds = states.pipeline_seconds(row, mine)
        listed.append({**row, "word": word, "seconds": seconds, "shown": short_values(row["values"])})
    pages = max(1, -(-total // _PER_PAGE))
    return page(request, "runs.html", who, runs=listed, number=number, pages=pages, total=total)


@router.get("/compare")
def compare_page(request: Request) -> Response:
    """Show two runs side by side; ``run`` is given twice."""
    here, who = context(request), session(request)
    numbers = [int(text) for text in request.query_params.getlist("run") if text.isdecimal() and len(text) < 10]
    if len(set(numbers)) != 2:
        raise HttpError(400, {"message": "Choose two runs in a list of runs."})
    first, second = sorted((run_view(here, number) for number in set(numbers)), key=lambda one: one.row["id"])
    one, two = first.result, second.result
    return page(
        request,
        "compare.html",
        who,
        first=first,
        second=second,
        values=comparison.compare_values(first.values, second.values),
        scraps=comparison.compare_values(one.scraps, two.scraps),
        files=comparison.compare_files(one, two),
        pictures=list(comparison.picture_pairs(one, two, most=_MOST_PICTURES)),
        measures=_measures(first, second),
        other=_of_another_package(first, second),
    )


def _measures(first: RunView, second: RunView) -> list[Difference]:
    """Compare durations and peaks."""
    one, two = first.result, second.result
    compared = [
        ("Process", _pair(one.seconds, two.seconds, duration), (one.seconds, two.seconds)),
        ("Whole run", _pair(first.seconds, second.seconds, duration), (first.seconds, second.seconds)),
        ("Peak memory", _pair(one.peak_memory, two.peak_memory, size_text), (one.peak_memory, two.peak_memory)),
    ]
    return [
        Difference(name=name, first=texts[0], second=texts[1], differs=False, change=_percent(*numbers))
        for name, texts, numbers in compared
        if any(texts)
    ]


def _pair(first: Any, second: Any, show: Callable[[Any], str]) -> tuple[str, str]:
    return ("" if first is None else show(first)), ("" if second is None else show(second))


def _percent(first: float | None, second: float | None) -> str:
    return "" if first is None or second is None else comparison.percent_change(first, second)


def _of_another_package(first: RunView, second: RunView) -> bool:
    return any(first.row[name] != second.row[name] for name in ("job", "folder"))


@router.get("/{number:int}")
def run_page(request: Request, number: int) -> Response:
    """Show a run: its values, what came out, and what it took."""
    return render_run(request, number)


def render_run(request: Request, number: int, *, link: str = "") -> Response:
    """Show a run, and a new ``link`` to share it.

    Raises:
        HttpError: 404, there is no such run.
    """
    here, who = context(request), session(request)
    view = run_view(here, number)
    archive = Archive(here.data.job(view.job["id"]).artifacts)
    schedule = here.schedules.get(view.row["schedule_id"]) if view.row["schedule_id"] else None
    return page(
        request,
        "run.html",
        who,
        run=view,
        schedule=schedule,
        link=link,
        links=list_links(here.pipelines.database, number),
        others=[one["id"] for one in here.runs.of_package(view.row["job"], view.row["folder"], limit=20)],
        **contents(archive),
        notified=[_host_of(hook["target"]) for hook in here.hooks.notifications(pipeline=number)],
    )


def contents(archive: Archive) -> dict[str, Any]:
    """Return what a run's page shows of its artifacts: pictures, tables, previews and notebooks."""
    sizes = {name: size for name, size in archive.sizes().items() if name.startswith("results/")}
    tables = previews.tables(archive, sizes)
    return {
        "pictures": previews.pictures(archive, sizes),
        "tables": tables,
        "previews": previews.previews(sizes, shown=tables),
        "notebooks": [name for name in sizes if name.endswith(".ipynb")][:_MOST_NOTEBOOKS],
    }


def _host_of(target: list[dict[str, Any]]) -> str:
    """Return the address of a notification, without its user, password and query."""
    return next((str(one["value"]) for one in target if one["key"] == "url"), "")


@router.post("/{number:int}/cancel")
async def cancel(request: Request, number: int) -> Response:
    """Cancel a run."""
    given = await read_parameters(request)

    def act() -> Response:
        here = context(request)
        check_writer_form(request, given)
        if here.runs.get(number) is None:
            raise_not_found()
        here.scheduler.cancel(here.pipelines.cancel(number))
        return RedirectResponse(f"/{here.project.path}/-/runs/{number}", status_code=303)

    return await submit_once(request, given, partial(run_in_threadpool, act))
