"""The pages with all pipelines and with one pipeline."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
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
from generator.service.jobs.cell_progress import CellProgress, cell_progress
from generator.service.pages.badges import pipeline_status
from generator.service.pages.failures import failure
from generator.service.pages.rendering import page
from generator.service.pages.sessions import check_writer_form, session
from generator.service.pages.submissions import submit_once
from generator.service.pages.summaries import form_to_repeat, requested_variables, summarize
from generator.service.store import states
from generator.service.store.database import jobs, pipelines, rows
from generator.service.store.search import search

router = APIRouter()
_PER_PAGE = 25
_ONCE = 200
_LISTED = (
    "id pipeline_id name status stage_index retried allow_failure exit_code failure_reason reason artifacts_size "
    "started_at finished_at"
).split()


@router.get("/pipelines")
def pipelines_page(request: Request) -> Response:
    """List pipelines, newest first."""
    here, who = context(request), session(request)
    status, wanted = request.query_params.get("status", ""), request.query_params.get("search", "").strip()
    text = request.query_params.get("page", "")
    number = max(1, int(text)) if text.isdecimal() and len(text) < 10 else 1
    statement = sa.select(pipelines).order_by(pipelines.c.id.desc())
    if status in states.statuses:
        statement = statement.where(pipelines.c.status == status)
    begin = (number - 1) * _PER_PAGE
    has_more = False
    if wanted:
        result = search(here.pipelines.database, statement, wanted, limit=_PER_PAGE, offset=begin)
        total, found, has_more = result.total, result.rows, result.has_more
    else:
        total, found = here.pipelines.count_and_page(statement, limit=_PER_PAGE, offset=begin)
    with here.pipelines.database.connection() as connection:
        columns = (jobs.c[name] for name in _LISTED)
        statement = sa.select(*columns)
        ids = [row["id"] for row in found]
        statement = statement.where(jobs.c.pipeline_id.in_(ids), jobs.c.retried.is_(False))
        listed = rows(connection, statement.order_by(jobs.c.stage_index, jobs.c.id))
    shown = []
    for row in found:
        mine = [dict(job) for job in listed if job["pipeline_id"] == row["id"]]
        word = pipeline_status(row["status"], mine)
        failed = {job["name"]: failure(job, here.data.job(job["id"]).trace) for job in mine if _is_failure(job)}
        summary = summarize(row, mine, here.data, with_values=who.identity.may_write)
        shown.append(
            {**row, "summary": summary, "jobs": mine, "word": word, "failures": failed, "cells": _cells(request, mine)}
            | {"seconds": states.pipeline_seconds(row, mine)}
        )
    pages = max(1, -(-total // _PER_PAGE))
    return page(
        request, "pipelines.html", who, pipelines=shown, chosen=status, number=number, pages=pages, total=total,
        has_more=has_more, search=wanted, statuses=("running", "pending", "success", "failed", "canceled"),
    )  # fmt: skip


def _cells(request: Request, mine: Iterable[Mapping[str, Any]]) -> dict[int, CellProgress]:
    """Return how far the notebooks of running jobs are, by the IDs of the jobs."""
    data = context(request).data
    running = (job["id"] for job in mine if job["status"] == "running")
    return {number: cells for number in running if (cells := cell_progress(data.job(number).trace))}


def _is_failure(job: Mapping[str, Any]) -> bool:
    return job["status"] == "failed" and not job["allow_failure"]


@router.get("/pipelines/{number:int}")
def pipeline_page(request: Request, number: int) -> Response:
    """Show one pipeline: its jobs, its request and its packages."""
    here, who = context(request), session(request)
    pipeline = here.pipelines.get(number)
    if pipeline is None:
        raise_not_found()
    mine = here.pipelines.jobs_of(number)
    current = [job for job in mine if not job["retried"]]
    left = [(job, Archive(here.data.job(job["id"]).artifacts)) for job in current if job["artifacts_size"]]
    packages = {folder: job["id"] for job, archive in left for folder in archive.packages()[:_ONCE]}
    return page(
        request,
        "pipeline.html",
        who,
        pipeline=pipeline,
        word=pipeline_status(pipeline["status"], [dict(job) for job in mine]),
        jobs=mine,
        packages=packages,
        failures={job["id"]: failure(dict(job), here.data.job(job["id"]).trace) for job in current},
        cells=_cells(request, map(dict, current)),
        image=next(
            (job["dotenv"]["PACKMILL_IMAGE"] for job in reversed(current) if job["dotenv"].get("PACKMILL_IMAGE")), ""
        ),
        requested=requested_variables(pipeline),
        run=here.runs.get(number),
        again=form_to_repeat(pipeline, f"/{here.project.path}/-", here.data),
        retryable=pipeline["status"] != "canceling" and any(job["status"] in ("failed", "canceled") for job in current),
    )


@router.post("/pipelines/{number:int}/cancel")
async def cancel(request: Request, number: int) -> Response:
    """Cancel a pipeline."""
    return await _act(request, number, "cancel")


@router.post("/pipelines/{number:int}/retry")
async def retry(request: Request, number: int) -> Response:
    """Retry a pipeline's failed jobs."""
    return await _act(request, number, "retry")


async def _act(request: Request, number: int, action: str) -> Response:
    given = await read_parameters(request)

    def act() -> Response:
        here = context(request)
        check_writer_form(request, given)
        if action == "retry":
            here.check_quota()  # may remove this one
        pipeline = here.pipelines.get(number)
        if pipeline is None:
            raise_not_found()
        if action == "cancel":
            here.scheduler.cancel(here.pipelines.cancel(number))
        elif pipeline["status"] == "canceling":  # two attempts of a job at once could deliver to one place
            raise HttpError(409, {"message": "The pipeline is being canceled. Retry it when its jobs have ended."})
        else:
            here.pipelines.retry_pipeline(number)
        return RedirectResponse(f"/{here.project.path}/-/pipelines/{number}", status_code=303)

    return await submit_once(request, given, partial(run_in_threadpool, act))
