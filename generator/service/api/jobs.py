"""The jobs API: list, follow, cancel, retry, erase and play (https://docs.gitlab.com/api/jobs/)."""

from __future__ import annotations

import time
from typing import Any

import sqlalchemy as sa
from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse
from starlette.concurrency import run_in_threadpool

from generator.service.api.descriptions import PAGES, queried
from generator.service.api.entities import entities_of
from generator.service.api.growing_file import growing_file_response
from generator.service.api.paging import page_of
from generator.service.api.parameters import read_parameters, refuse_parameters
from generator.service.context import commit_of, context
from generator.service.http_errors import HttpError, raise_bad_parameter, raise_forbidden, raise_not_found
from generator.service.store import states
from generator.service.store.audit import Event
from generator.service.store.database import Row, jobs, pipelines, rows

router = APIRouter(prefix="/api/v4/projects/{project:int}")
own = APIRouter(prefix="/api/v4")
_VALUES = ("job_variables_attributes", "job_inputs")
_ADVICE = "a job has the variables of its pipeline"


@router.get("/jobs", openapi_extra=queried("scope[]", *PAGES))
def jobs_list(request: Request) -> Response:
    """List all jobs, newest first."""
    return _list_jobs(request, sa.select(jobs).order_by(jobs.c.id.desc()), with_retried=True)


@router.get("/pipelines/{number:int}/jobs", openapi_extra=queried("scope[]", "include_retried", *PAGES))
def jobs_of_pipeline(request: Request, number: int) -> Response:
    """List a pipeline's jobs, newest first."""
    context(request).access.require_reader(request)
    if context(request).pipelines.get(number) is None:
        raise_not_found()
    retried = request.query_params.get("include_retried", "false").lower() in ("true", "1")
    statement = sa.select(jobs).where(jobs.c.pipeline_id == number)
    return _list_jobs(request, statement.order_by(jobs.c.id.desc()), with_retried=retried)


@router.get("/pipelines/{number:int}/bridges")
def bridges(request: Request, number: int) -> Response:
    """List the jobs that trigger other projects' pipelines; always empty."""
    here = context(request)
    here.access.require_reader(request)
    if here.pipelines.get(number) is None:
        raise_not_found()
    return JSONResponse([], headers=page_of(request).headers(request, here.base(request), 0))


def _list_jobs(request: Request, statement: sa.Select[tuple[object, ...]], *, with_retried: bool) -> Response:
    here = context(request)
    here.access.require_reader(request)
    query = request.query_params
    scopes = [*query.getlist("scope[]"), *query.getlist("scope")]
    if any(scope not in states.statuses for scope in scopes):
        raise_bad_parameter("scope does not have a valid value")
    if scopes:
        statement = statement.where(jobs.c.status.in_(scopes))
    if not with_retried:
        statement = statement.where(jobs.c.retried.is_(False))
    page = page_of(request)
    total, found = here.pipelines.count_and_page(statement, limit=page.size, offset=page.offset)
    with here.pipelines.database.connection() as connection:
        statement_of_owners = sa.select(pipelines).where(pipelines.c.id.in_({job["pipeline_id"] for job in found}))
        owners = {row["id"]: row for row in rows(connection, statement_of_owners)}
    entities = entities_of(request)
    shown = [_job_entity(request, job, owners[job["pipeline_id"]]) for job in found if job["pipeline_id"] in owners]
    return JSONResponse(shown, headers=page.headers(request, entities.address, total))


@router.get("/jobs/{number:int}")
def show(request: Request, number: int) -> Response:
    """Return one job."""
    context(request).access.require_reader(request)
    return job_response(request, number)


@own.get("/job")
def show_own(request: Request) -> Response:
    """Return the running job whose ``CI_JOB_TOKEN`` the request has."""
    number = context(request).access.own_job(request)
    if number is None:
        raise_not_found("Job")
    return job_response(request, number)


@router.get("/jobs/{number:int}/trace")
def trace(request: Request, number: int) -> Response:
    """Return a job's log so far; a ``Range`` request returns the new part."""
    here = context(request)
    here.access.require_reader(request)
    find_job(request, number)
    return growing_file_response(here.data.job(number).trace, request)


@router.post("/jobs/{number:int}/cancel")
def cancel(request: Request, number: int) -> Response:
    """Cancel a job that is running or waiting."""
    here = context(request)
    here.access.require_writer(request)
    find_job(request, number)
    here.scheduler.cancel(here.pipelines.cancel_jobs([number]))
    return job_response(request, number, status=201)


@router.post("/jobs/{number:int}/retry")
async def retry(request: Request, number: int) -> Response:
    """Create a new job in place of one that has ended or is being canceled."""
    given = await read_parameters(request)
    return await run_in_threadpool(_retry, request, number, given)


def _retry(request: Request, number: int, given: dict[str, Any]) -> Response:
    here = context(request)
    here.access.require_writer(request)
    refuse_parameters(given, *_VALUES, advice=_ADVICE)
    here.check_quota()  # may remove its pipeline
    find_job(request, number)
    made = here.pipelines.retry(number)
    if made is None:
        raise_forbidden("Job is not retryable")
    return job_response(request, made, status=201)


@router.post("/jobs/{number:int}/erase")
def erase(request: Request, number: int) -> Response:
    """Remove a job's log and artifacts."""
    here = context(request)
    here.access.require_admin(request)
    job = find_job(request, number)
    if job["status"] not in states.finished or job["erased_at"]:
        raise_forbidden("Job is not erasable!")
    folder = here.data.job(number)
    gone: dict[str, object] = {
        "erased_at": time.time(),
        "artifacts_size": None,
        "artifacts_expire_at": None,
        "tests": None,
        "dotenv": {},
    }
    here.pipelines.update_job(number, gone, event=Event.JOB_ERASED, within=lambda *_: folder.remove())
    return job_response(request, number, status=201)


@router.post("/jobs/{number:int}/play")
async def play(request: Request, number: int) -> Response:
    """Start a manual job."""
    given = await read_parameters(request)
    return await run_in_threadpool(_play, request, number, given)


def _play(request: Request, number: int, given: dict[str, Any]) -> Response:
    here = context(request)
    here.access.require_writer(request)
    refuse_parameters(given, *_VALUES, advice=_ADVICE)
    here.check_quota()  # may remove its pipeline
    find_job(request, number)
    if not here.pipelines.play(number):
        raise HttpError(400, {"message": "400 Bad request - Unplayable Job"})
    return job_response(request, number)


def find_job(request: Request, number: int) -> Row:
    """Return a job's row.

    Raises:
        HttpError: 404, the job does not exist.
    """
    found = context(request).pipelines.job(number)
    if found is None:
        raise_not_found()
    return found


def job_response(request: Request, number: int, *, status: int = 200) -> Response:
    """Return a job as a response."""
    job = find_job(request, number)
    pipeline = context(request).pipelines.get(job["pipeline_id"])
    if pipeline is None:
        raise_not_found()
    return JSONResponse(_job_entity(request, job, pipeline), status_code=status)


def _job_entity(request: Request, job: Row, pipeline: Row) -> dict[str, object]:
    here = context(request)
    trace = here.data.job(job["id"]).trace_size()
    return entities_of(request).job(job, pipeline, commit_of(here.project, pipeline["sha"]), trace=trace)
