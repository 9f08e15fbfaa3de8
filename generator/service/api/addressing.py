"""Requests as routes know them: a project by its number, and HEAD as a GET whose answer has no body."""

from __future__ import annotations

from urllib.parse import unquote

from starlette.types import ASGIApp, Receive, Scope, Send

from generator.service.project.project import Project

_PREFIX = "/api/v4/projects/"


class ProjectAddresses:
    """Turns a project's path (``owner%2Fname``) into its number; an unknown one becomes 0, which no project has."""

    def __init__(self, app: ASGIApp, project: Project) -> None:
        self._app, self._project = app, project

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hands the request on, under the address that routes know."""
        if scope["type"] == "http":
            raw = scope.get("raw_path", b"").decode("latin-1")
            method = "GET" if scope["method"] == "HEAD" else scope["method"]  # the server leaves out the body
            scope = {**scope, "method": method, "asked_path": raw}
            if raw.startswith(_PREFIX):
                name, slash, rest = raw[len(_PREFIX) :].partition("/")
                known = unquote(name) in (self._project.path, str(self._project.id))
                scope["path"] = f"{_PREFIX}{self._project.id if known else 0}{slash}{unquote(rest)}"
                scope["known_project"] = known
        await self._app(scope, receive, send)
