"""The content security policy of what notebooks wrote."""

from __future__ import annotations

hostile_policy = (
    "sandbox; default-src 'none'; img-src data:; media-src data:; style-src 'unsafe-inline'; font-src data:; "
    "frame-ancestors 'self'; base-uri 'none'; form-action 'none'"
)
"""No scripts, no requests and no origin: a page that a notebook wrote must not act for the user who opens it."""


def hostile_headers(media_type: str) -> dict[str, str]:
    """Return the headers of a file that a notebook wrote; browsers show no PDF that is sandboxed, nor could one act."""
    return {} if media_type == "application/pdf" else {"Content-Security-Policy": hostile_policy}
