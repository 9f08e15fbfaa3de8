"""The choice between a page and the API by the Accept header (RFC 9110, 12.5.1)."""

from __future__ import annotations

import re
from functools import lru_cache

from fastapi import APIRouter, Request
from fastapi.routing import APIRoute
from starlette.datastructures import Headers
from starlette.routing import Match
from starlette.types import Scope

_FORMAT = re.compile(rb"(?:^|&)format=(\w+)")
_KEY = "packmill.accepts_page"
_HTML = ("text/html", "application/xhtml+xml")
_JSON = ("application/json", "application/problem+json", "text/event-stream")


class PageRoute(APIRoute):
    """A route for clients that prefer HTML; all others get the route of the API at the same address."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Match only requests for pages."""
        if scope["type"] == "http" and not self.is_for_page(scope):
            return Match.NONE, {}
        return super().matches(scope)

    def is_for_page(self, scope: Scope) -> bool:
        """Whether a request is for a page; found once for all routes."""
        if _KEY not in scope:
            scope[_KEY] = accepts_page(Headers(scope=scope).get("accept", ""))
        return bool(scope[_KEY])


class FormatRoute(PageRoute):
    """A page that ``format=html`` in the query chooses and any other ``format`` avoids; without it, as `PageRoute`."""

    def is_for_page(self, scope: Scope) -> bool:
        """Whether a request is for a page."""
        chosen = _FORMAT.search(scope["query_string"]) if scope["query_string"] else None
        return chosen[1] == b"html" if chosen else super().is_for_page(scope)


def page_router(route_class: type[PageRoute] = PageRoute) -> APIRouter:
    """Return a router for pages; it has to precede the routers of the API."""
    return APIRouter(route_class=route_class, include_in_schema=False)


def wants_page(request: Request) -> bool:
    """Whether the client of a request prefers HTML."""
    return accepts_page(request.headers.get("accept", ""))


@lru_cache(maxsize=256)
def accepts_page(accept: str) -> bool:
    """Whether an Accept header prefers HTML to JSON; a header that names neither does not."""
    qualities = dict(map(_quality, accept.split(",")))
    html = max((qualities.get(kind, 0.0) for kind in _HTML), default=0.0)
    named = [qualities[kind] for kind in _JSON if kind in qualities]
    if named:
        return html > max(named)
    return html > 0 and html >= qualities.get("*/*", 0.0)


def _quality(text: str) -> tuple[str, float]:
    kind, *parameters = (part.strip() for part in text.lower().split(";"))
    for parameter in parameters:
        if parameter.startswith("q="):
            try:
                return kind, float(parameter[2:])
            except ValueError:
                return kind, 0.0
    return kind, 1.0
