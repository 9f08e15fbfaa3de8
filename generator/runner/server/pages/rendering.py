"""Render pages from templates: every value is escaped, and every response has a content security policy."""

from __future__ import annotations

import hashlib
import secrets
from datetime import datetime, timezone
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode
from zoneinfo import ZoneInfo

import jinja2
from fastapi import Request
from fastapi.responses import HTMLResponse

import generator.shared
from generator.runner.server.access import Identity
from generator.runner.server.context import context_of, own_path
from generator.runner.server.runs.model import Run
from generator.shared.size_text import size_text

_FOLDER = Path(__file__).parent
_SHARED = Path(generator.shared.__file__).parent / "pages"
"""What the pages of the CI service have, too."""
_SWAGGER = ("swagger-ui-bundle.js", "swagger-ui.css")
_POLICY = (
    "default-src 'none'; script-src 'nonce-{nonce}' 'strict-dynamic'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; frame-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
"""Scripts need the nonce, since files that notebooks wrote have the same origin as the server's own."""


def page(
    request: Request, template: str, *, identity: Identity | None = None, status: int = 200, **values: Any
) -> HTMLResponse:
    """Render a page; ``template`` is a file of ``templates``, ``identity`` is the user."""
    nonce = secrets.token_urlsafe(16)
    common = {
        "base": context_of(request).base_url,
        "path": own_path(request),
        "nonce": nonce,
        "identity": identity or request.scope.get("identity"),
    }
    text = _environment().get_template(template).render(**common, **values)
    return HTMLResponse(_encode(text), status_code=status, headers=page_headers(nonce))


def page_headers(nonce: str, policy: str = _POLICY) -> dict[str, str]:
    """Return the headers of a page."""
    return {
        "Content-Security-Policy": policy.format(nonce=nonce),
        "Referrer-Policy": "same-origin",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Vary": "Accept, Cookie",
    }


def note(request: Request, message: str, *, status: int = 200) -> HTMLResponse:
    """Render a message in place of a notebook, for a frame in a page."""
    base = context_of(request).base_url
    text = _environment().get_template("note.html").render(base=base, message=message)
    policy = "default-src 'none'; style-src 'self'; frame-ancestors 'self'; base-uri 'none'; form-action 'none'"
    return HTMLResponse(_encode(text), status_code=status, headers={"Content-Security-Policy": policy})


@lru_cache(maxsize=1)
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_FOLDER / "templates"),
        undefined=jinja2.StrictUndefined,
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"moment": _moment, "iso": _iso, "duration": _duration, "size": size_text, "took": _seconds}
    environment.filters["in_zone"] = _in_zone
    environment.filters |= {"quoted": lambda path: quote(path, safe="/", errors="surrogateescape"), "query": urlencode}
    environment.globals["static"] = static_address
    return environment


def static_file(name: str) -> Path | None:
    """Return a file of ``static``, or of those that several servers share; None if it does not exist."""
    return _static_files().get(name)


@lru_cache(maxsize=1)
def _static_files() -> dict[str, Path]:
    own = {path.name: path for folder in (_SHARED, _FOLDER / "static") for path in folder.iterdir() if path.is_file()}
    return _swagger_files() | own


def _swagger_files() -> dict[str, Path]:
    """Return the files of Swagger UI; none if its package is not installed."""
    package = find_spec("fastapi_swagger")
    folders = package.submodule_search_locations if package and package.submodule_search_locations else ()
    files = (Path(folder) / "resources" / name for folder in folders for name in _SWAGGER)
    return {path.name: path for path in files if path.is_file()}


@lru_cache
def static_address(name: str) -> str:
    """Return the address of a file of ``static``, which changes with its content, so that browsers may keep it."""
    digest = hashlib.sha256(_static_files()[name].read_bytes()).hexdigest()[:12]
    return f"/static/{name}?v={digest}"


def _encode(text: str) -> bytes:
    """Encode a page in UTF-8; half a surrogate pair, which JSON files may contain, becomes a question mark."""
    return text.encode("utf-8", "replace")


def _iso(time: datetime | None) -> str:
    return "" if time is None else time.astimezone(timezone.utc).isoformat(timespec="seconds")


def _moment(time: datetime | None) -> str:
    """Format a time for browsers without scripts."""
    return "" if time is None else time.astimezone(timezone.utc).strftime("%Y-%m-%d %H:%M UTC")


def _in_zone(time: datetime, zone: str) -> str:
    return time.astimezone(ZoneInfo(zone)).strftime("%a %Y-%m-%d %H:%M")


def _seconds(run: Run) -> float | None:
    """Return how long a run took; None before its end."""
    return max(0.0, (run.ended - run.started).total_seconds()) if run.started and run.ended else None


def _duration(seconds: float | None) -> str:
    """Format a duration."""
    if seconds is None:
        return ""
    if seconds < 60:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"
