"""The API of notebooks as a Swagger document (OpenAPI Specification 2.0)."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any

from generator.runner.server.gateway.routes import Route, parameters_of


def swagger_document(title: str, routes: Iterable[Route], base: str) -> bytes:
    """Return the document that describes routes; ``base`` is the path that all of them are below."""
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        path = re.sub(r":([^/\s]*)", r"{\1}", route.path)
        operations = paths.setdefault(path, {})
        for verb in route.endpoints:
            operations[verb.lower()] = _operation(route.path)
    document: dict[str, Any] = {"swagger": "2.0", "paths": paths, "info": {"version": "0.0.0", "title": title}}
    if base:
        document["basePath"] = base
    return json.dumps(document).encode()


def _operation(path: str) -> dict[str, Any]:
    operation: dict[str, Any] = {"responses": {"200": {"description": "Success"}}}
    if names := parameters_of(path):
        operation["parameters"] = [{"name": name, "in": "path", "required": True, "type": "string"} for name in names]
    return operation
