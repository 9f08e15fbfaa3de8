"""The OpenAPI document of the server, made from its routes."""

from __future__ import annotations

import copy
import json
import re
from typing import Any

from fastapi import APIRouter, FastAPI, Request
from fastapi.openapi.utils import get_openapi
from fastapi.responses import Response

from generator.runner.server.api.models import Problem
from generator.runner.server.context import absolute_address, context_of
from generator.runner.server.json_responses import JsonResponse
from generator.runner.server.ogc.definition import api_definition

router = APIRouter(tags=["server"])
_OGC, _SCHEMAS = "/ogc", "#/components/schemas/"
_START = "/notebooks/{path}/runs"
_description = """\
Runs notebooks. Every run starts from fresh state. Each notebook has a document of its own at
`/notebooks/PATH/openapi.json`, with its parameters."""
_problem = {
    "description": "An error",
    "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
}


@router.get("/openapi.json", responses={200: {"model": dict[str, Any]}})
async def describe_server(request: Request) -> Response:
    """Describe the server's API, as an OpenAPI 3.1 document."""
    context_of(request).access.require(request, "read")
    return JsonResponse({**server_document(request.app), "servers": [{"url": absolute_address(request) or "/"}]})


def server_document(app: FastAPI) -> dict[str, Any]:
    """Return the document of all routes; it is made once, and must not be changed."""
    if app.openapi_schema is None:
        app.openapi_schema = _make_document(app)
    return app.openapi_schema


def allowed_methods(app: FastAPI, path: str) -> str:
    """Return the methods of the resource with a path, for the header Allow (RFC 9110, section 10.2.1)."""
    paths = server_document(app)["paths"]
    found = [template for template in paths if re.fullmatch(_pattern(template), path)]
    closest = max(found, key=len, default="")
    return ", ".join(method.upper() for method in paths.get(closest, ()) if method != "parameters")


def _pattern(template: str) -> str:
    """Return the pattern of the paths of a template; the parameter ``path`` may have slashes."""
    escaped = re.escape(template).replace(r"\{path\}", ".+")
    return re.sub(r"\\{\w+\\}", "[^/]+", escaped)


def part_of_document(app: FastAPI, *paths: str, address: str) -> dict[str, Any]:
    """Return a copy of the document with some of its paths, and the one that starts a run of a notebook."""
    document = server_document(app)
    chosen = {path: document["paths"][path] for path in (_START, *paths)}
    part = copy.deepcopy({**document, "paths": chosen})
    return {**part, "servers": [{"url": address}]}


def _make_document(app: FastAPI) -> dict[str, Any]:
    document = get_openapi(title="packmill-runner", version="1", description=_description, routes=app.routes)
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    schemas["Problem"] = Problem.model_json_schema()
    for name in ("HTTPValidationError", "ValidationError"):  # invalid requests are answered with 400 and a Problem
        schemas.pop(name, None)
    document["components"]["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
    document["security"] = [{"token": []}, {}]
    for item in document["paths"].values():
        for operation in item.values():
            if "HTTPValidationError" in json.dumps(operation["responses"].get("422")):
                del operation["responses"]["422"]
            operation["responses"].setdefault("default", _problem)
    _add_ogc(document)
    return document


def _add_ogc(document: dict[str, Any]) -> None:
    """Replace the routes of OGC API - Processes by their own definition; names get a prefix to stay unique."""
    text = json.dumps(api_definition("")).replace(_SCHEMAS, f"{_SCHEMAS}ogc.")
    definition = json.loads(text.replace('"operationId": "', '"operationId": "ogc.'))
    document["paths"] = {path: item for path, item in document["paths"].items() if not path.startswith(f"{_OGC}/")}
    for path, item in definition["paths"].items():
        for method, operation in item.items():
            if method != "parameters":
                operation["tags"] = ["OGC API - Processes"]
        document["paths"][f"{_OGC}{path}"] = item
    schemas = definition["components"]["schemas"]
    document["components"]["schemas"] |= {f"ogc.{name}": schema for name, schema in schemas.items()}
