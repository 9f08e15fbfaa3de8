"""Responses of the API: JSON, or a page for a browser (18-062r2, requirements classes "JSON" and "HTML")."""

from __future__ import annotations

import html
from collections.abc import Mapping
from typing import Any

from fastapi import Request
from fastapi.responses import HTMLResponse, Response

from generator.runner.server.ogc.errors import invalid_value
from generator.shared.json_text import json_text

_STYLE = (
    ":root{color-scheme:light dark;font:1rem/1.5 system-ui,sans-serif}"
    "body{max-width:60rem;margin:2rem auto;padding:0 1rem}"
    "dl{margin:0 0 .5rem;padding-left:1rem;border-left:2px solid #8886}dt{font-weight:600}dd{margin:0 0 .25rem 1rem;"
    "overflow-wrap:anywhere}ul{margin:0;padding-left:1.25rem}"
)
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"


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
        page = _page(title, document)
        return HTMLResponse(page, status, {**(headers or {}), "Content-Security-Policy": _POLICY, "Vary": "Accept"})
    return json_response(document, status=status, headers={**(headers or {}), "Vary": "Accept"})


def json_response(
    document: Any, *, status: int = 200, headers: Mapping[str, str] | None = None, kind: str = "application/json"
) -> Response:
    """Return a document as JSON; it may have numbers and text that strict JSON lacks."""
    return Response(json_text(document), status, dict(headers or {}), media_type=kind)


def wants_page(request: Request) -> bool:
    """Check whether a client prefers HTML: by the parameter ``f``, else by ``Accept``.

    Raises:
        ProblemError: 400, the parameter ``f`` is neither ``json`` nor ``html``.
    """
    form = request.query_params.get("f")
    if form not in (None, "json", "html"):
        raise invalid_value(f"f: {form!r} is not 'json' or 'html'")
    accept = request.headers.get("accept", "")
    return form == "html" if form else quality(accept, "text/html") > quality(accept, "application/json")


def quality(accept: str, media_type: str) -> float:
    """Return how much a client wants a media type, from 0 to 1 (RFC 9110, "Accept"); 0 if only a wildcard covers it."""
    for entry in accept.lower().split(","):
        name, *parameters = (part.strip() for part in entry.split(";"))
        if name == media_type:
            given = next((part[2:] for part in parameters if part.startswith("q=")), "1")
            try:
                return min(max(float(given), 0.0), 1.0)
            except ValueError:
                return 0.0
    return 0.0


def _page(title: str, document: Mapping[str, Any]) -> str:
    shown = html.escape(title)
    return (
        (
            f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{shown}</title>'
            f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style></head>'
            f"<body><main><h1>{shown}</h1>{_rendered(document)}</main></body></html>"
        )
        .encode("utf-8", "replace")
        .decode()
    )


def _rendered(value: Any) -> str:
    if isinstance(value, Mapping) and isinstance(value.get("href"), str):
        return _anchor(value["href"], str(value.get("title") or value.get("rel") or value["href"]))
    if isinstance(value, Mapping):
        entries = (f"<dt>{html.escape(str(name))}</dt><dd>{_rendered(item)}</dd>" for name, item in value.items())
        return f"<dl>{''.join(entries)}</dl>"
    if isinstance(value, list):
        return f"<ul>{''.join(f'<li>{_rendered(item)}</li>' for item in value)}</ul>"
    return html.escape("" if value is None else str(value))


def _anchor(address: str, text: str) -> str:
    if not address.startswith(("http://", "https://")):
        return html.escape(text)
    return f'<a href="{html.escape(address)}">{html.escape(text)}</a>'
