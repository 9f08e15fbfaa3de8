"""Normalize requests for the routes: a project's path becomes its number, HEAD becomes GET."""

from __future__ import annotations

from urllib.parse import unquote

from starlette.types import ASGIApp, Receive, Scope, Send

from generator.service.project.project import Project

_PREFIX = "/api/v4/projects/"


class ProjectAddresses:
    """ASGI middleware that replaces a project's path (``owner%2Fname``) by its number; an unknown project becomes 0."""

    def __init__(self, app: ASGIApp, project: Project) -> None:
        self._app, self._project = app, project

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Forward a request with its normalized path and method."""
        if scope["type"] == "http":
            raw = scope.get("raw_path", b"").decode("latin-1")
            method = "GET" if scope["method"] == "HEAD" else scope["method"]  # the server leaves out the body
            scope = {**scope, "method": method, "original_path": raw}
            if raw.startswith(_PREFIX):
                name, slash, rest = raw[len(_PREFIX) :].partition("/")
                known = unquote(name) in (self._project.path, str(self._project.id))
                scope["path"] = f"{_PREFIX}{self._project.id if known else 0}{slash}{unquote(rest)}"
                scope["known_project"] = known
        await self._app(scope, receive, send)
