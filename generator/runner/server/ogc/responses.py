"""Responses of the API: JSON, or a page for a browser (18-062r2, requirements classes "JSON" and "HTML")."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from fastapi import Request
from fastapi.responses import Response

from generator.runner.server.ogc.errors import invalid_value
from generator.runner.server.pages.negotiation import wants_page as prefers_page
from generator.runner.server.pages.rendering import page
from generator.shared.json_text import json_text


def respond(
    request: Request,
    document: Mapping[str, Any],
    *,
    title: str,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """Return a document as JSON, or as a page if the client prefers one.

    Raises:
        ProblemError: 400, the parameter ``f`` is neither ``json`` nor ``html``.
    """
    if wants_page(request):
        response = page(
            request,
            "document.html",
            identity=request.scope.get("identity"),
            status=status,
            title=title,
            document=document,
        )
        response.headers.update(headers or {})
        return response
    return json_response(document, status=status, headers={**(headers or {}), "Vary": "Accept"})


def json_response(
    document: Any, *, status: int = 200, headers: Mapping[str, str] | None = None, kind: str = "application/json"
) -> Response:
    """Return a document as JSON; it may have numbers and text that strict JSON lacks."""
    try:
        data = json.dumps(document, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
    except (ValueError, RecursionError):  # also text that UTF-8 cannot encode
        data = json_text(document)
    return Response(data, status, dict(headers or {}), media_type=kind)


def wants_page(request: Request) -> bool:
    """Check whether a client prefers HTML: by the parameter ``f``, else by ``Accept``.

    Raises:
        ProblemError: 400, the parameter ``f`` is neither ``json`` nor ``html``.
    """
    form = request.query_params.get("f")
    if form not in (None, "json", "html"):
        raise invalid_value(f"f: {form!r} is not 'json' or 'html'")
    return form == "html" if form else prefers_page(request)
