"""The Kernel Gateway's handlers with checked bodies, and errors that show no code of the server."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import cache
from http import HTTPStatus
from typing import Any

from tornado import web
from tornado.websocket import WebSocketHandler

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_TEXTS = ("name", "path", "type", "kernel_id", "id")
_PARTS = {"kernel": ("name", "id"), "notebook": ("name", "path")}
"""Objects in a body, and their texts."""
_LONGEST = 4096


def check_handlers(handlers: Iterable[tuple[Any, ...]]) -> Iterator[tuple[Any, ...]]:
    """Yield the handlers of all patterns, those of requests with a body and of JSON in a checked form."""
    for pattern, handler, *rest in handlers:
        checked = _checked(handler) if hasattr(handler, "get_json_body") else handler
        yield (pattern, checked, *rest)


@cache
def _checked(handler: type) -> type:
    checks = (_MayLeave, _Checks) if issubclass(handler, WebSocketHandler) else (_Checks,)
    return type(handler.__name__, (*checks, handler), {})


class _MayLeave:
    """A kernel's channels, whose client can leave while they are opened."""

    connection: Any = None

    def on_close(self) -> None:
        """Note that the client left."""
        if self.connection is not None:
            super().on_close()  # type: ignore[misc]

    async def pre_get(self) -> None:
        """Find the kernel.

        Raises:
            HTTPError: the kernel does not exist, or the client left meanwhile.
        """
        await super().pre_get()  # type: ignore[misc]
        if self.connection is None:
            raise web.HTTPError(400, "the client left")


class _Checks:
    """What is changed of a handler."""

    def get_json_body(self) -> Any:
        """Return the object that a body has; None without a body.

        Raises:
            HTTPError: 400, it is not an object, or a value is not of its type.
        """
        try:
            body = super().get_json_body()  # type: ignore[misc]
        except ValueError:
            raise web.HTTPError(400, "the body is not JSON in UTF-8") from None
        if body is not None:
            _check(body)
        return body

    def write_error(self, status_code: int, **options: Any) -> None:
        """Answer with the reason: that of the kernel manager, where the handler only reports that it failed."""
        error = (options.get("exc_info") or (None, None))[1]
        cause = getattr(error, "__cause__", None)
        if isinstance(cause, web.HTTPError):
            error, status_code = cause, cause.status_code
        message = (
            _message(error) if isinstance(error, web.HTTPError) else "an unexpected error; the server's log has it"
        )
        self.set_status(status_code)  # type: ignore[attr-defined]
        self.set_header("Content-Type", "application/json")  # type: ignore[attr-defined]
        reason = HTTPStatus(status_code).phrase
        self.finish({"reason": getattr(error, "reason", None) or reason, "message": message})  # type: ignore[attr-defined]


def _message(error: web.HTTPError) -> str:
    text = error.log_message or ""
    return text % error.args if error.args and "%" in text else text


def _check(body: Any) -> None:
    if not isinstance(body, dict):
        raise web.HTTPError(400, "the body is not a JSON object")
    for name in _TEXTS:
        _check_text(name, body.get(name))
    if body.get("name") == "":
        raise web.HTTPError(400, "name: empty; leave it out for the default kernel")
    for part, names in _PARTS.items():
        if part in body:
            if not isinstance(body[part], dict):
                raise web.HTTPError(400, f"{part}: not an object")
            for name in names:
                _check_text(f"{part}.{name}", body[part].get(name))
    if "env" in body:
        _check_variables(body["env"])


def _check_text(name: str, value: Any) -> None:
    if value is None:
        return
    if not isinstance(value, str) or len(value) > _LONGEST or not _is_plain(value, "strict"):
        raise web.HTTPError(400, f"{name}: not a text of at most {_LONGEST} characters")


def _check_variables(variables: Any) -> None:
    if not isinstance(variables, dict):
        raise web.HTTPError(400, "env: not an object")
    for name, value in variables.items():
        if not _VARIABLE.fullmatch(name) or not isinstance(value, str) or not _is_plain(value, "surrogateescape"):
            raise web.HTTPError(400, "env: names of variables and texts are needed")


def _is_plain(text: str, errors: str) -> bool:
    """Check that a text has no null character, and no half one that the handler of errors cannot encode."""
    try:
        text.encode(errors=errors)
    except UnicodeEncodeError:
        return False
    return "\0" not in text
