"""The HTTP response of a handler: its body, and the status and headers that its ResponseInfo cell printed."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
"""RFC 9110, section 5.6.2."""
_OWN = frozenset(("content-length", "transfer-encoding", "connection"))
"""Headers that depend on how the body is sent."""
Headers = list[tuple[bytes, bytes]]


@dataclass(frozen=True, kw_only=True, slots=True)
class GatewayResponse:
    """A response: status, headers, body."""

    status: int
    headers: Headers
    body: bytes = b""


class _InfoError(Exception):
    """A ResponseInfo cell did not print what it should."""


def handler_response(body: str, info: str) -> GatewayResponse:
    """Return the response of a handler that succeeded; ``info`` is what its ResponseInfo cell printed."""
    try:
        status, headers = _read_info(info)
    except _InfoError as error:
        return failed_response(f"Error ResponseInfo: {error} \n")
    if not any(name.lower() == b"content-type" for name, _ in headers):
        headers.insert(0, (b"Content-Type", b"text/plain"))
    if status in (204, 304):  # RFC 9110, sections 15.3.5 and 15.4.5: no content
        return GatewayResponse(status=status, headers=[one for one in headers if one[0].lower() != b"content-type"])
    return GatewayResponse(status=status, headers=headers, body=body.encode("utf-8", "replace"))


def failed_response(error: str, status: int = 500) -> GatewayResponse:
    """Return the response of a handler that failed, in the Kernel Gateway's words."""
    return GatewayResponse(
        status=status, headers=[(b"Content-Type", b"text/plain")], body=error.encode("utf-8", "replace")
    )


def problem_response(status: int, message: str = "", headers: Headers | None = None) -> GatewayResponse:
    """Return a response of the server itself, in the Kernel Gateway's form."""
    body = json.dumps({"reason": HTTPStatus(status).phrase, "message": message}).encode()
    return GatewayResponse(status=status, headers=[(b"Content-Type", b"application/json"), *(headers or [])], body=body)


def with_entity_tag(response: GatewayResponse, if_none_match: bytes) -> GatewayResponse:
    """Return a successful response to GET with an ``Etag``, or 304 if the client has it (RFC 9110, section 13.1.2)."""
    if response.status != HTTPStatus.OK:
        return response
    tag = b'"%s"' % hashlib.sha1(response.body, usedforsecurity=False).hexdigest().encode()
    known = [one.strip().removeprefix(b"W/") for one in if_none_match.split(b",")]
    if tag in known or b"*" in known:
        return GatewayResponse(status=304, headers=[(b"Etag", tag)])
    return GatewayResponse(status=200, headers=[*response.headers, (b"Etag", tag)], body=response.body)


def _read_info(text: str) -> tuple[int, Headers]:
    if not text.strip():
        return 200, []
    try:
        info = json.loads(text)
    except (ValueError, RecursionError):
        raise _InfoError("the cell must print one JSON object with status and headers") from None
    if not isinstance(info, dict):
        return 200, []
    return _status(info.get("status", 200)), list(_headers(info.get("headers") or {}))


def _status(value: Any) -> int:
    try:
        status = int(value)
    except (ValueError, TypeError, OverflowError):
        status = 0
    if isinstance(value, bool) or not 200 <= status <= 599:
        raise _InfoError(f"status {str(value)[:40]!r} is not a number from 200 to 599")
    return status


def _headers(headers: Any) -> Iterator[tuple[bytes, bytes]]:
    if not isinstance(headers, dict):
        raise _InfoError("headers must be an object of names and values")
    for name, value in headers.items():
        for one in value if isinstance(value, list) else [value]:
            yield from _header(str(name), one)


def _header(name: str, value: Any) -> Iterator[tuple[bytes, bytes]]:
    text = json.dumps(value) if isinstance(value, (bool, dict, list)) else str(value)
    try:
        data = text.strip().encode("latin-1")
    except UnicodeEncodeError:
        raise _InfoError(f"header {name[:40]!r}: the value has characters outside of Latin-1") from None
    if not _TOKEN.fullmatch(name) or re.search(rb"[\x00-\x08\x0a-\x1f\x7f]", data):
        raise _InfoError(f"header {name[:40]!r}: not a valid name or value")
    if name.lower() not in _OWN:
        yield name.encode(), data
