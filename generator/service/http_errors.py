"""Error responses: one exception that any function may raise, with GitLab's messages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NoReturn

from python_multipart.multipart import parse_options_header

_CHARSETS = (b"utf-8", b"utf8")


class HttpError(Exception):
    """An error response: a status and a JSON body."""

    def __init__(self, status: int, body: dict[str, Any], headers: dict[str, str] | None = None) -> None:
        super().__init__(f"{status}: {body}")
        self.status, self.body, self.headers = status, body, headers or {}


def error_text(error: HttpError) -> str:
    """Return the message of an error response as a sentence."""
    message = error.body.get("message", error.body.get("error", ""))
    if isinstance(message, dict) and "base" in message:
        return "; ".join(map(str, message["base"]))
    if isinstance(message, dict) and all(isinstance(found, list) for found in message.values()):
        return "; ".join(f"{name} {one}" for name, found in message.items() for one in found)
    return str(message)


def raise_unauthorized() -> NoReturn:
    """Refuse a request without a valid token."""
    raise HttpError(401, {"message": "401 Unauthorized"})


def raise_forbidden(detail: str = "") -> NoReturn:
    """Refuse a request that the token's scopes or the job's state do not allow."""
    raise HttpError(403, {"message": f"403 Forbidden{f' - {detail}' if detail else ''}"})


def raise_not_found(what: str = "") -> NoReturn:
    """Refuse a request for something that does not exist."""
    raise HttpError(404, {"message": f"404 {what} Not Found" if what else "404 Not Found"})


def queue_full(message: str) -> HttpError:
    """Return the refusal of a pipeline while too many others have not ended."""
    return HttpError(429, {"message": {"base": [message]}}, {"Retry-After": "60"})


def raise_bad_parameter(message: str) -> NoReturn:
    """Refuse a parameter as GitLab's validation does."""
    raise HttpError(400, {"error": message})


def check_declared_length(headers: Mapping[str, str], largest: int) -> None:
    """Refuse a body whose declared length is above a limit, before any of it is read; ``largest`` in bytes.

    Raises:
        HttpError: 413.
    """
    length = headers.get("content-length", "")
    if length.isdecimal() and int(length) > largest:
        raise HttpError(413, {"message": "413 Payload Too Large"})


def check_charset(headers: Mapping[str, str]) -> None:
    """Refuse a multipart form in a charset other than UTF-8, before any of it is read.

    Starlette decodes fields with any codec of Python that a client names, and some take minutes for a megabyte.

    Raises:
        HttpError: 415.
    """
    _, options = parse_options_header(headers.get("content-type", ""))
    if options.get(b"charset", _CHARSETS[0]).strip().lower() not in _CHARSETS:
        raise HttpError(415, {"error": "the form has another charset than UTF-8; send it in UTF-8"})
