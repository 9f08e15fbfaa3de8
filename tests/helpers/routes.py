"""The routes of an application, from the application itself: a new route is in every test that asks for all."""

from __future__ import annotations

import asyncio
import http.client
import re
from collections.abc import Iterator, Mapping
from typing import Any
from unittest.mock import MagicMock

WRITING = ("POST", "PUT", "DELETE", "PATCH")
LEADING_ELSEWHERE = [
    "../../../../../../../../../marker.txt",
    "..%2f..%2f..%2f..%2fmarker.txt",
    "%2e%2e%2f%2e%2e%2f%2e%2e%2f%2e%2e%2fmarker.txt",
    "..%252f..%252fmarker.txt",
    "..%5c..%5cmarker.txt",
    "out/../../../../../marker.txt",
    "%2fMARKER",
    "/MARKER",
    "file:%2f%2fMARKER",
    "%00",
    "%ff%fe",
    "a%0d%0aX-Injected:%20yes",
    "a" * 5000,
]
"""Values of a parameter in a path; MARKER is to be replaced by the path of a file."""
_PARAMETER = re.compile(r"[{](\w+)(?::(\w+))?[}]")


def routes_of(router: Any, prefix: str = "") -> Iterator[tuple[str, str]]:
    """Methods and paths of a router or an application, and of the routers that it includes."""
    for route in router.routes:
        inner = getattr(route, "original_router", None)
        if inner is None:
            yield from ((method, prefix + route.path) for method in sorted(getattr(route, "methods", None) or ()))
        else:
            yield from routes_of(inner, prefix + route.include_context.prefix)


def service_routes(project: str = "ada/toy") -> list[tuple[str, str]]:
    """Methods and paths of ``packmill serve`` for a project."""
    from generator.service.application import application

    parts = MagicMock()
    parts.project.path = project
    return sorted(set(routes_of(application(parts))))


def filled(path: str, values: Mapping[str, str], default: str = "1") -> str:
    """A route's path with a value for each parameter."""
    return _PARAMETER.sub(lambda found: values.get(found[1], default), path)


def text_parameters(path: str) -> list[str]:
    """The parameters of a path that may be any text."""
    return [found[1] for found in _PARAMETER.finditer(path) if found[2] != "int"]


def ask_raw(
    port: int, method: str, target: str, headers: Mapping[str, str] | None = None, body: Any = None
) -> tuple[int, http.client.HTTPMessage, bytes]:
    """Send a request with its target as it is: clients remove ``..`` from paths."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    try:
        connection.request(method, target, body=body, headers=dict(headers or {}))
        response = connection.getresponse()
        return response.status, response.headers, response.read()
    finally:
        connection.close()


def status_in_process(app: Any, method: str, path: str) -> int:
    """Ask an ASGI application without a server; the status of its answer."""
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    scope = {"type": "http", "method": method, "path": path, "raw_path": path.encode(), "query_string": b""}
    scope |= {"headers": [], "scheme": "http", "server": ("127.0.0.1", 80), "client": ("127.0.0.1", 1)}
    asyncio.run(app({**scope, "root_path": "", "http_version": "1.1"}, receive, send))
    return int(sent[0]["status"])
