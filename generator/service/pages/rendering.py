"""Render pages from templates: every value is escaped, and every response has a content security policy."""

from __future__ import annotations

import shlex
from datetime import datetime, timezone
from functools import lru_cache
from typing import Any
from urllib.parse import quote

import jinja2
from fastapi import Request
from fastapi.responses import HTMLResponse

from generator.resources import data_folder
from generator.service.context import context
from generator.service.pages import badges
from generator.service.pages.sessions import Session
from generator.service.pages.value_texts import value_text
from generator.service.store import states
from generator.shared.size_text import size_text

_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "frame-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
hostile_policy = (
    "sandbox; default-src 'none'; img-src data:; style-src 'unsafe-inline'; font-src data:; frame-ancestors 'self'; "
    "base-uri 'none'; form-action 'none'"
)
"""The policy for content from notebooks and runs: no scripts, no requests and no origin."""
_NOTE_POLICY = "default-src 'none'; style-src 'self'; frame-ancestors 'self'; base-uri 'none'; form-action 'none'"


def page(request: Request, template: str, session: Session | None, *, status: int = 200, **values: Any) -> HTMLResponse:
    """Render a page; ``template`` is a path in ``templates/pages``."""
    here = context(request)
    common = {
        "home": f"/{here.project.path}/-",
        "project": here.project,
        "session": session,
        "path": request.url.path,
        "active": states.active,
    }
    text = _environment().get_template(template).render(**common, **values)
    return HTMLResponse(_encode(text), status_code=status, headers=headers())


def note(message: str, *, raw: str, status: int) -> HTMLResponse:
    """Render a message in place of a file, for a frame in a page; ``raw`` is the file's address."""
    text = _environment().get_template("note.html").render(message=message, raw=raw)
    return HTMLResponse(_encode(text), status_code=status, headers={"Content-Security-Policy": _NOTE_POLICY})


def text_page(name: str, text: str, *, is_cut: bool) -> HTMLResponse:
    """Render a text file as a page for a frame."""
    made = _environment().get_template("text.html").render(name=name, text=text, is_cut=is_cut)
    return HTMLResponse(_encode(made), headers={"Content-Security-Policy": _NOTE_POLICY})


def _encode(text: str) -> bytes:
    """Encode a page in UTF-8; half a surrogate pair, which JSON files may contain, becomes a question mark."""
    return text.encode("utf-8", "replace")


def headers() -> dict[str, str]:
    """Return the headers of every page."""
    return {
        "Content-Security-Policy": _POLICY,
        "Referrer-Policy": "same-origin",
        "X-Frame-Options": "DENY",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cache-Control": "no-store",
    }


@lru_cache(maxsize=1)
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(data_folder("templates") / "pages"),
        undefined=jinja2.StrictUndefined,
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"moment": _moment, "iso": _iso, "duration": duration, "size": size_text}
    environment.filters |= {"job_status": badges.job_status, "reasons_not_run": badges.reasons_not_run}
    environment.filters |= {"quoted": lambda path: quote(path, safe="/"), "shell": shlex.quote}
    environment.filters["value_text"] = value_text
    environment.filters["query"] = lambda text: quote(text, safe="", errors="replace")
    return environment


def _iso(seconds: float | None) -> str:
    return "" if seconds is None else datetime.fromtimestamp(seconds, tz=timezone.utc).isoformat(timespec="seconds")


def _moment(seconds: float | None) -> str:
    """Format a time for browsers without scripts."""
    if seconds is None:
        return ""
    return datetime.fromtimestamp(seconds, tz=timezone.utc).strftime("%Y-%m-%d %H:%M UTC")


def duration(seconds: float | None) -> str:
    """Format a duration."""
    if seconds is None:
        return ""
    seconds = max(0.0, seconds)  # the clock may have been set back
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"
