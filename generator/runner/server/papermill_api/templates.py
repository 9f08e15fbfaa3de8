"""Templates of executed notebooks' paths: ``/template`` and ``/template/NAME``."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

from generator.runner.server.context import context_of
from generator.runner.server.papermill_api.documentation import (
    default_extra,
    template_extra,
    template_responses,
    templates_responses,
)
from generator.runner.server.papermill_api.errors import MessageRoute
from generator.runner.server.papermill_api.requests import read_body, read_boolean
from generator.runner.server.problems import ProblemError
from generator.runner.server.values.bodies import parse_body, read_bytes
from generator.runner.template_store import NamedTemplate, TemplateStore
from generator.shared.failures import BadInputsError

router = APIRouter(route_class=MessageRoute, tags=["papermill-api"])
_NAMES = ("name", "content", "default")
_LONGEST_NAME = 200
_MOST = 1000


@router.get("/template", responses=templates_responses, openapi_extra=default_extra)
@router.get("/template/", include_in_schema=False)
async def list_templates(request: Request) -> Response:
    """List the templates; with ``default``, return the default one, or an empty list without one."""
    context = context_of(request)
    context.access.require(request, "read")
    chosen = request.query_params.get("default")
    if chosen is None or (chosen and not read_boolean("default", chosen)):
        return _list(context.templates)
    default = context.templates.default
    return JSONResponse(_entity(default) if default else [])


@router.get("/template/{name:path}", responses=template_responses)
async def show_template(request: Request, name: str) -> Response:
    """Return a list of the template, empty if it does not exist."""
    context = context_of(request)
    context.access.require(request, "read")
    return JSONResponse([_entity(one) for one in context.templates.all() if one.name == name])


@router.post("/template", responses=template_responses, openapi_extra=template_extra)
@router.post("/template/{name:path}", responses=template_responses, openapi_extra=template_extra)
async def put_template(request: Request, name: str = "") -> Response:
    """Create or replace a template, and list all."""
    store, body = await _open(request)
    name = _name(body, name)
    if name not in {one.name for one in store.all()} and len(store.all()) >= _MOST:
        raise ProblemError(409, f"there are {_MOST} templates, which is the limit; delete one")
    store.put(name, _content(body), default=read_boolean("default", body.get("default")))
    return _list(store)


@router.patch("/template", responses=template_responses, openapi_extra=template_extra)
@router.patch("/template/{name:path}", responses=template_responses, openapi_extra=template_extra)
async def change_template(request: Request, name: str = "") -> Response:
    """Change the text of a template, or whether it is the default one, and list all."""
    store, body = await _open(request)
    known = _find(store, _name(body, name))
    content = _content(body) if "content" in body else known.content
    default = read_boolean("default", body["default"]) if "default" in body else known.default
    store.put(known.name, content, default=default)
    if known.default and not default:
        store.clear_default()
    return _list(store)


@router.delete("/template", responses=template_responses, openapi_extra=template_extra)
@router.delete("/template/{name:path}", responses=template_responses, openapi_extra=template_extra)
async def delete_template(request: Request, name: str = "") -> Response:
    """Delete a template, and list the others."""
    store, body = await _open(request)
    store.delete(_find(store, _name(body, name)).name)
    return _list(store)


async def _open(request: Request) -> tuple[TemplateStore, dict[str, Any]]:
    """Return the templates and the body of a request that changes them."""
    context = context_of(request)
    identity = context.access.require(request, "admin")
    data = await read_bytes(request, context.limits.body, advice="")
    body = await parse_body(read_body, data, _NAMES)
    context.access.confirm(identity, "admin")
    return context.templates, body


def _name(body: dict[str, Any], name: str) -> str:
    given = body.get("name", name)
    if name and given != name:
        raise ProblemError(400, f"'name' is {given!r}, but the path has {name!r}")
    if not isinstance(given, str) or not given or len(given) > _LONGEST_NAME or not given.isprintable():
        raise ProblemError(400, f"'name' is missing, or not a text of at most {_LONGEST_NAME} printable characters")
    return given


def _content(body: dict[str, Any]) -> str:
    content = body.get("content")
    if not isinstance(content, str):
        raise ProblemError(400, "'content' is missing: the template, such as '{{args.year}}/{{args.notebook_name}}'")
    return content


def _find(store: TemplateStore, name: str) -> NamedTemplate:
    try:
        return store.get(name)
    except BadInputsError:
        raise ProblemError(400, "Template does not exist") from None


def _list(store: TemplateStore) -> Response:
    return JSONResponse([_entity(one) for one in store.all()])


def _entity(template: NamedTemplate) -> dict[str, str]:
    return {"content": template.content, "name": template.name}
