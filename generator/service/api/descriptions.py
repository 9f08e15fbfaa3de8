"""The OpenAPI document of the service, and descriptions of parameters for routes that read them themselves."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from generator import __version__

PAGES = ("page", "per_page")
_NUMBERS = frozenset(("page", "per_page", "pipeline_id", "number", "hook", "schedule", "event"))
_METHODS = frozenset(("get", "put", "post", "delete", "patch"))
_PUBLIC = ("/-/health", "/-/readiness", "/-/liveness")
_DOWNLOADS = re.compile("/artifacts|/trace$|/packages/")
_ERROR = {
    "type": "object",
    "properties": {"message": {}, "error": {"type": "string"}},
    "anyOf": [{"required": ["message"]}, {"required": ["error"]}],
}
"""GitLab's errors: of its own code in ``message``, of its parameter validation in ``error``."""
_DESCRIPTION = (
    "The part of GitLab's API for pipelines, schedules, jobs, artifacts, hooks and commit statuses. A project is its "
    "number or its path, in which %2F stands for the slash."
)


def queried(*names: str) -> dict[str, Any]:
    """Return the description of query parameters."""
    return {"parameters": [_parameter(name, place="query") for name in names]}


def sent(*, required: Iterable[str] = (), optional: Iterable[str] = ()) -> dict[str, Any]:
    """Return the description of a body: a form or JSON with these fields."""
    schema = {
        "type": "object",
        "properties": {name: {} for name in (*required, *optional)},
        **({"required": list(required)} if required else {}),
    }
    kinds = ("application/json", "application/x-www-form-urlencoded", "multipart/form-data")
    return {"requestBody": {"required": bool(required), "content": {kind: {"schema": schema} for kind in kinds}}}


def openapi_document(app: FastAPI) -> dict[str, Any]:
    """Return the document of all routes for programs."""
    document = get_openapi(title="packmill serve", version=__version__, description=_DESCRIPTION, routes=app.routes)
    document["paths"] = {path: item for path, item in document["paths"].items() if _is_for_programs(path)}
    for path, item in document["paths"].items():
        for method, operation in item.items():
            if method in _METHODS:
                _complete(operation, path)
    schemes: dict[str, Any] = {
        "token": {"type": "apiKey", "in": "header", "name": "PRIVATE-TOKEN"},
        "bearer": {"type": "http", "scheme": "bearer"},
    }
    document["components"] = {"securitySchemes": schemes, "schemas": {"Error": _ERROR}}
    document["security"] = [{name: []} for name in schemes]
    return document


def _is_for_programs(path: str) -> bool:
    return path.startswith(("/api/v4/", "/metrics")) or path in _PUBLIC


def _complete(operation: dict[str, Any], path: str) -> None:
    """Add the parameters of the path that a route does not declare, and leave out what the service does not send."""
    given = operation.setdefault("parameters", [])
    known = {one["name"] for one in given}
    names = [part[1:-1] for part in path.split("/") if part.startswith("{")]
    given[:0] = [_parameter(name, place="path") for name in names if name not in known]
    operation["responses"] = _responses(operation, path)
    operation["tags"] = [_tag(path)]
    operation["summary"] = operation["description"].partition("\n")[0].rstrip(".").replace("``", "")
    if path in _PUBLIC or path.endswith("/trigger/pipeline"):
        operation["security"] = []


def _responses(operation: dict[str, Any], path: str) -> dict[str, Any]:
    """Return the description of the answers; FastAPI's own has an answer of 422 in words that are not GitLab's."""
    if path in _PUBLIC:
        return {"200": {"description": "healthy"}, "503": {"description": "unavailable"}}
    kinds = {one["name"] for one in operation["parameters"]}
    shown: dict[str, Any] = {"description": "done"}
    if path.startswith("/api/") and not _DOWNLOADS.search(path):
        schema = (
            {"type": "array", "items": {"type": "object"}} if "per_page" in kinds else {"type": ["object", "array"]}
        )
        shown["content"] = {"application/json": {"schema": schema}}
    error = {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}
    return {
        "2XX": shown,
        "204": {"description": "removed"},
        "4XX": {"description": "refused", "content": error},
        "507": {"description": "the storage quota is reached", "content": error},
    }


def _parameter(name: str, *, place: str) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "integer", "minimum": 1} if name in _NUMBERS else {"type": "string"}
    if place == "path":
        schema |= {"maximum": 2**31 - 1} if name in _NUMBERS else {"minLength": 1}
    return {"name": name, "in": place, "required": place == "path", "schema": schema}


def _tag(path: str) -> str:
    parts = path.removeprefix("/api/v4/projects/{project}").strip("/").split("/")
    if not path.startswith("/api/v4/projects/{project}/"):
        return "service"
    return {"trigger": "pipelines", "ref": "pipelines", "pipeline": "pipelines"}.get(parts[0], parts[0])
