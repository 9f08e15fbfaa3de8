"""The pipelines API: trigger, create, list, retry, cancel and delete (https://docs.gitlab.com/api/pipelines/)."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse
from starlette.concurrency import run_in_threadpool

from generator.service.access import client_address
from generator.service.api.descriptions import PAGES, queried, sent
from generator.service.api.entities import entities_of, test_suites
from generator.service.api.paging import page_of
from generator.service.api.parameters import read_parameters, text, time_of, variable_list, variable_map
from generator.service.context import context
from generator.service.http_errors import HttpError, raise_bad_parameter, raise_not_found
from generator.service.jobs import junit_reports
from generator.service.store import audit, states
from generator.service.store.database import Row, despite_outages, pipelines
from generator.shared.setting_text import is_yes

router = APIRouter(prefix="/api/v4/projects/{project:int}")
_SOURCES = (
    "push web trigger schedule api external pipeline chat webide merge_request_event external_pull_request_event "
    "parent_pipeline ondemand_dast_scan ondemand_dast_validation security_orchestration_policy"
).split()
_SCOPES = {
    "running": pipelines.c.status == "running",
    "pending": pipelines.c.status.in_(("pending", "created")),
    "finished": pipelines.c.status.in_(("success", "failed", "canceled")),
    "branches": pipelines.c.tag.is_(False),
    "tags": pipelines.c.tag.is_(True),
}
_FILTERS = (
    "scope status source ref sha name username yaml_errors created_after created_before updated_after updated_before "
    "order_by sort"
).split()
_ORDERS = {"id": "id", "status": "status", "ref": "ref", "updated_at": "updated_at", "user_id": "user_id"}


@router.post("/trigger/pipeline", openapi_extra=sent(required=("token", "ref"), optional=("variables",)))
@router.post("/ref/{ref:path}/trigger/pipeline", openapi_extra=sent(required=("token",), optional=("variables",)))
async def trigger(request: Request, ref: str | None = None) -> Response:
    """Start a pipeline with a trigger token."""
    given = await read_parameters(request)
    token = text(given, "token")
    chosen = ref or text(given, "ref")
    variables = variable_map(given)
    return await run_in_threadpool(_trigger, request, token, chosen, variables, given.get("inputs"))


def _trigger(request: Request, token: str, ref: str, variables: list[dict[str, str]], inputs: object) -> Response:
    here = context(request)
    identity = here.access.find(token, client_address(request))
    if identity is None or not identity.may_trigger:
        raise_not_found()
    audit.note_author(identity.author(client_address(request)))
    _refuse_inputs(inputs)
    number = here.start_pipeline(ref=ref, source="trigger", user=identity, variables=variables)
    return _started_response(request, number, ref=ref, source="trigger")


def _refuse_inputs(inputs: object) -> None:
    """Refuse GitLab's ``inputs``, which a pipeline file declares with a keyword that is not supported here."""
    if inputs:
        wrong = "Given inputs not defined in the `spec` section of the included configuration file"
        raise HttpError(400, {"message": {"base": [wrong]}})


@router.post("/pipeline", openapi_extra=sent(required=("ref",), optional=("variables",)))
@router.post("/pipelines", openapi_extra=sent(required=("ref",), optional=("variables",)))
async def create(request: Request) -> Response:
    """Start a pipeline with an access token."""
    given = await read_parameters(request)
    return await run_in_threadpool(_create, request, given)


def _create(request: Request, given: dict[str, Any]) -> Response:
    here = context(request)
    identity = here.access.require_writer(request)
    ref, variables = text(given, "ref"), variable_list(given)
    _refuse_inputs(given.get("inputs"))
    number = here.start_pipeline(ref=ref, source="api", user=identity, variables=variables)
    return _started_response(request, number, ref=ref, source="api")


@router.get("/pipelines", openapi_extra=queried(*_FILTERS, *PAGES))
def pipelines_list(request: Request) -> Response:
    """List pipelines, newest first by default."""
    here = context(request)
    here.access.require_reader(request)
    page = page_of(request)
    statement = _filter_query(request)
    total, found = here.pipelines.count_and_page(statement, limit=page.size, offset=page.offset)
    entities = entities_of(request)
    headers = page.headers(request, entities.address, total)
    return JSONResponse([entities.brief(row) for row in found], headers=headers)


def _filter_query(request: Request) -> sa.Select[Any]:
    query = request.query_params
    statement = sa.select(pipelines)
    if query.get("scope"):
        statement = statement.where(_SCOPES[_one_of(request, "scope", _SCOPES)])
    if query.get("status"):
        statement = statement.where(pipelines.c.status == _one_of(request, "status", states.statuses))
    if query.get("source"):
        statement = statement.where(pipelines.c.source == _one_of(request, "source", _SOURCES))
    for name in ("ref", "sha", "name"):
        if query.get(name):
            statement = statement.where(pipelines.c[name] == query[name])
    if query.get("username"):
        statement = statement.where(pipelines.c.user == query["username"])
    if is_yes(query.get("yaml_errors", "")):  # a pipeline whose file is invalid is not created
        statement = statement.where(sa.false())
    for name, column in (("created", pipelines.c.created_at), ("updated", pipelines.c.updated_at)):
        after, before = time_of(request, f"{name}_after"), time_of(request, f"{name}_before")
        statement = statement if after is None else statement.where(column > after)
        statement = statement if before is None else statement.where(column < before)
    column = pipelines.c[_ORDERS[_one_of(request, "order_by", _ORDERS, "id")]]
    descending = _one_of(request, "sort", ("asc", "desc"), "desc") == "desc"
    return statement.order_by(column.desc() if descending else column.asc(), pipelines.c.id.desc())


def _one_of(request: Request, name: str, allowed: Any, default: str = "") -> str:
    value = request.query_params.get(name) or default
    if value not in allowed:
        raise_bad_parameter(f"{name} does not have a valid value")
    return value


@router.get("/pipelines/latest")
def latest(request: Request, ref: str | None = None) -> Response:
    """Return the latest pipeline of a ref, by default of the default branch."""
    here = context(request)
    here.access.require_reader(request)
    found = here.pipelines.latest(ref or here.project.default_branch)
    if found is None:
        raise_not_found("Pipeline")
    return JSONResponse(entities_of(request).pipeline(found, here.pipelines.jobs_of(found["id"])))


@router.get("/pipelines/{number:int}")
def show(request: Request, number: int) -> Response:
    """Return one pipeline."""
    context(request).access.require_reader(request)
    return _pipeline_response(request, number)


@router.get("/pipelines/{number:int}/variables")
def variables(request: Request, number: int) -> Response:
    """Return the variables that a pipeline was started with."""
    context(request).access.require_writer(request)
    return JSONResponse(_find_pipeline(request, number)["variables"])


@router.get("/pipelines/{number:int}/test_report")
def test_report(request: Request, number: int) -> Response:
    """Return every test case of a pipeline."""
    return _test_report(request, number, whole=True)


@router.get("/pipelines/{number:int}/test_report_summary")
def test_report_summary(request: Request, number: int) -> Response:
    """Return the number of test cases of each status."""
    return _test_report(request, number, whole=False)


def _test_report(request: Request, number: int, *, whole: bool) -> Response:
    here = context(request)
    here.access.require_reader(request)
    _find_pipeline(request, number)
    suites = test_suites(here.pipelines.jobs_of(number, with_retried=False))
    return JSONResponse(junit_reports.report(suites, whole=whole))


@router.post("/pipelines/{number:int}/cancel")
def cancel(request: Request, number: int) -> Response:
    """Cancel a pipeline's unfinished jobs."""
    here = context(request)
    here.access.require_writer(request)
    _find_pipeline(request, number)
    here.scheduler.cancel(here.pipelines.cancel(number))
    return _pipeline_response(request, number)


@router.post("/pipelines/{number:int}/retry")
def retry(request: Request, number: int) -> Response:
    """Retry a pipeline's failed and canceled jobs, also those that are still being canceled."""
    here = context(request)
    here.access.require_writer(request)
    here.check_quota()  # may remove this one
    _find_pipeline(request, number)
    here.pipelines.retry_pipeline(number)
    return _pipeline_response(request, number, status=201)


@router.delete("/pipelines/{number:int}")
def delete(request: Request, number: int) -> Response:
    """Cancel a pipeline, and remove it with its jobs, their logs and artifacts."""
    here = context(request)
    here.access.require_admin(request)
    _find_pipeline(request, number)
    here.scheduler.delete(number)
    return Response(status_code=204)


def _find_pipeline(request: Request, number: int) -> Row:
    found = context(request).pipelines.get(number)
    if found is None:
        raise_not_found()
    return found


def _pipeline_response(request: Request, number: int, *, status: int = 200) -> Response:
    found, mine = _find_pipeline(request, number), context(request).pipelines.jobs_of(number)
    return JSONResponse(entities_of(request).pipeline(found, mine), status_code=status)


def _started_response(request: Request, number: int, *, ref: str, source: str) -> Response:
    """Return a pipeline that was started: all of it, or what is known of it if the database fails now."""
    with despite_outages():
        return _pipeline_response(request, number, status=201)
    return JSONResponse(entities_of(request).started(number, ref=ref, source=source), status_code=201)
