"""The API for server version, user, project, commits and branches, which clients use before pipelines."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse

from generator import __version__
from generator.service.api.entities import entities_of
from generator.service.api.paging import page_of
from generator.service.context import commit_of, context
from generator.service.http_errors import raise_not_found

router = APIRouter(prefix="/api/v4")
_GITLAB_VERSION = "17.0.0"
"""The version of GitLab whose API is implemented: clients check it before they use newer features."""


@router.get("/version")
@router.get("/metadata")
def version(request: Request) -> Response:
    """Return the version of the API, with packmill's own as its revision."""
    context(request).access.require_reader(request)
    return JSONResponse({"version": f"{_GITLAB_VERSION}-packmill", "revision": __version__, "enterprise": False})


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
    """Return the commit of a ref or SHA."""
    here = context(request)
    here.access.require_reader(request)
    found = here.project.commit(ref)
    if found is None:
        raise_not_found("Commit")
    return JSONResponse(entities_of(request).commit(commit_of(here.project, found.sha) or found))


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
