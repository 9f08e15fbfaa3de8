"""The API of commit statuses (https://docs.gitlab.com/api/commits/#commit-status)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse
from starlette.concurrency import run_in_threadpool

from generator.service.api.descriptions import PAGES, queried, sent
from generator.service.api.entities import entities_of
from generator.service.api.paging import page_of
from generator.service.api.parameters import read_parameters, text
from generator.service.context import Context, context
from generator.service.http_errors import HttpError, raise_bad_parameter, raise_not_found
from generator.service.store.commit_statuses import CommitStatuses
from generator.service.store.database import Row, pipelines, row
from generator.shared.setting_text import is_yes

router = APIRouter(prefix="/api/v4/projects/{project:int}")
_STATES = ("pending", "running", "success", "failed", "canceled", "skipped")
_FILTERS = ("ref", "stage", "name", "pipeline_id", "all", "order_by", "sort")
_OPTIONAL = ("name", "context", "ref", "target_url", "description", "coverage", "pipeline_id")
_ORDERS = ("id", "pipeline_id")
_LONGEST = 255


@router.get("/repository/commits/{sha}/statuses", openapi_extra=queried(*_FILTERS, *PAGES))
def statuses(request: Request, sha: str) -> Response:
    """List the statuses of a commit: jobs of its pipelines, and those that other services reported."""
    here = context(request)
    here.access.require_reader(request)
    found, query, page = _sha(here, sha), request.query_params, page_of(request)
    order, direction = query.get("order_by") or "id", query.get("sort") or "asc"
    if order not in _ORDERS or direction not in ("asc", "desc"):
        raise_bad_parameter(f"{'sort' if order in _ORDERS else 'order_by'} does not have a valid value")
    filters: dict[str, Any] = {name: query[name] for name in ("ref", "stage", "name") if query.get(name)}
    if query.get("pipeline_id"):
        filters["pipeline_id"] = _number(query["pipeline_id"])
    statement = CommitStatuses(here.pipelines.database).listed(
        found, with_replaced=is_yes(query.get("all", "")), filters=filters, descending=direction == "desc", order=order
    )
    total, some = here.pipelines.count_and_page(statement, limit=page.size, offset=page.offset)
    entities = entities_of(request)
    headers = page.headers(request, entities.address, total)
    return JSONResponse([entities.commit_status(one) for one in some], headers=headers)


@router.post("/statuses/{sha}", openapi_extra=sent(required=("state",), optional=_OPTIONAL))
async def report(request: Request, sha: str) -> Response:
    """Report the status of a commit."""
    given = await read_parameters(request)
    return await run_in_threadpool(_report, request, sha, given)


def _report(request: Request, sha: str, given: dict[str, Any]) -> Response:
    here = context(request)
    identity = here.access.require_writer(request)
    state = text(given, "state")
    if state not in _STATES:
        raise_bad_parameter("state does not have a valid value")
    fields = _fields(given)
    whole = _sha(here, sha)
    pipeline = _pipeline(here, whole, given)
    ref = _ref(here, pipeline, given)
    name = _short(given, "name") or _short(given, "context") or "default"
    fields["pipeline_id"] = pipeline["id"] if pipeline else None
    statuses = CommitStatuses(here.pipelines.database)
    made = statuses.report(sha=whole, ref=ref, name=name, status=state, user=identity, fields=fields)
    found = None if made is None else statuses.get(made)
    if found is None:
        raise HttpError(422, {"message": {"base": ["The commit has too many statuses"]}})
    return JSONResponse(entities_of(request).commit_status(found), status_code=201)


def _sha(here: Context, sha: str) -> str:
    found = here.project.commit(sha)
    if found is None:
        raise_not_found("Commit")
    return found.sha


def _pipeline(here: Context, sha: str, given: Mapping[str, Any]) -> Row | None:
    """Return the pipeline that a status belongs to: the one that is named, or the latest one of commit and ref.

    Raises:
        HttpError: 404, the commit has no pipeline with the given number.
    """
    statement = sa.select(pipelines).where(pipelines.c.sha == sha).order_by(pipelines.c.id.desc()).limit(1)
    if given.get("ref"):
        statement = statement.where(pipelines.c.ref == _short(given, "ref"))
    if given.get("pipeline_id"):
        statement = statement.where(pipelines.c.id == _number(str(given["pipeline_id"])))
    with here.pipelines.database.connection() as connection:
        found = row(connection, statement)
    if found is None and given.get("pipeline_id"):
        raise_not_found("Pipeline")
    return found


def _ref(here: Context, pipeline: Row | None, given: Mapping[str, Any]) -> str:
    """Return the ref of a status: the given one, that of its pipeline, or the default branch."""
    ref = _short(given, "ref")
    if ref:
        revision = here.project.resolve(ref)
        if revision is None:
            raise_not_found("References for commit")
        return revision.ref
    return str(pipeline["ref"]) if pipeline else here.project.default_branch


def _fields(given: Mapping[str, Any]) -> dict[str, Any]:
    fields = {name: _short(given, name) for name in ("target_url", "description") if given.get(name) is not None}
    if fields.get("target_url") and not re.fullmatch(r"https?://[^\s/]\S*", str(fields["target_url"])):
        raise HttpError(400, {"message": {"target_url": ["is blocked: Only allowed schemes are http, https"]}})
    if given.get("coverage") is not None:
        fields["coverage"] = _percentage(given["coverage"])
    return fields


def _percentage(value: object) -> Any:
    try:
        found = float(str(value))
    except ValueError:
        raise_bad_parameter("coverage is invalid")
    if not 0 <= found <= 100:
        raise_bad_parameter("coverage does not have a valid value")
    return found


def _short(given: Mapping[str, Any], name: str) -> str | None:
    """Return an optional line of text."""
    value = given.get(name)
    if value is None:
        return None
    if not isinstance(value, str) or "\0" in value:
        raise_bad_parameter(f"{name} is invalid")
    if len(value) > _LONGEST:
        raise HttpError(400, {"message": {name: [f"is too long (maximum is {_LONGEST} characters)"]}})
    return value


def _number(value: str) -> int:
    if not value.isdecimal() or not 0 < len(value) < 10:
        raise_bad_parameter("pipeline_id is invalid")
    return int(value)
