"""The API for server version, user, project, commits and branches, which clients use before pipelines."""

from __future__ import annotations

import sqlalchemy as sa
from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse

from generator import __version__
from generator.service.api.entities import entities_of
from generator.service.api.paging import page_of
from generator.service.context import Context, commit_of, context
from generator.service.http_errors import raise_not_found
from generator.service.store.database import Row, pipelines, row

router = APIRouter(prefix="/api/v4")
_GITLAB_VERSION = "17.0.0"
"""The version of GitLab whose API is implemented: clients check it before they use newer features."""


@router.get("/version")
@router.get("/metadata")
def version(request: Request) -> Response:
    """Return the version of the API, with packmill's own as its revision."""
    context(request).access.require_reader(request)
    kas = {"enabled": False, "externalUrl": None, "version": None}  # GitLab's agent for Kubernetes
    shown = {"version": f"{_GITLAB_VERSION}-packmill", "revision": __version__, "kas": kas, "enterprise": False}
    return JSONResponse(shown)


@router.get("/user")
def user(request: Request) -> Response:
    """Return the user of the request's token."""
    here = context(request)
    identity = here.access.require_reader(request)
    return JSONResponse({**entities_of(request).user(identity.name, identity.id), "email": ""})


@router.get("/projects")
def projects(request: Request) -> Response:
    """List the projects; there is exactly one."""
    here = context(request)
    here.access.require_reader(request)
    entities = entities_of(request)
    return JSONResponse([entities.project_entity()], headers=page_of(request).headers(request, entities.address, 1))


@router.get("/projects/{project:int}")
def project(request: Request) -> Response:
    """Return the project."""
    here = context(request)
    here.access.require_reader(request)
    return JSONResponse(entities_of(request).project_entity())


@router.get("/projects/{project:int}/merge_requests")
def merge_requests(request: Request) -> Response:
    """List merge requests; always empty, but glab asks for a branch's before its pipelines."""
    here = context(request)
    here.access.require_reader(request)
    return JSONResponse([], headers=page_of(request).headers(request, here.base(request), 0))


@router.get("/projects/{project:int}/repository/commits/{ref:path}")
def commit(request: Request, ref: str) -> Response:
    """Return the commit of a ref or SHA, with its latest pipeline."""
    here = context(request)
    here.access.require_reader(request)
    found = here.project.commit(ref)
    if found is None:
        raise_not_found("Commit")
    entities = entities_of(request)
    shown = entities.commit(commit_of(here.project, found.sha) or found)
    latest = _latest_pipeline(here, found.sha)
    return JSONResponse(
        {
            **shown,
            "project_id": here.project.id,
            "status": latest["status"] if latest else None,
            "last_pipeline": entities.brief(latest) if latest else None,
        }
    )


def _latest_pipeline(here: Context, sha: str) -> Row | None:
    statement = sa.select(pipelines).where(pipelines.c.sha == sha).order_by(pipelines.c.id.desc()).limit(1)
    with here.pipelines.database.connection() as connection:
        return row(connection, statement)


@router.get("/projects/{project:int}/repository/branches/{ref:path}")
def branch(request: Request, ref: str) -> Response:
    """Return a branch."""
    here = context(request)
    here.access.require_reader(request)
    found = here.project.resolve(ref)
    commit = commit_of(here.project, found.sha) if found and not found.tag else None
    if commit is None:
        raise_not_found("Branch")
    default = ref == here.project.default_branch
    shown = {"name": ref, "commit": entities_of(request).commit(commit), "default": default, "merged": False}
    return JSONResponse({**shown, "protected": False, "can_push": False, "web_url": ""})
