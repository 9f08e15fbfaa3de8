"""The outermost layer of the application, which every request of every protocol passes.

It names requests, bounds their bodies while they arrive, refuses new work during a shutdown, turns unexpected errors
into responses without a traceback, and notes each request in log and metrics.
"""

from __future__ import annotations

import asyncio
import logging
import re
import secrets
import time
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any, Protocol

from starlette.requests import ClientDisconnect

from generator.runner.server.operation.errors import has_no_space, unexpected_problem
from generator.runner.server.operation.logs import log
from generator.runner.server.problems import ProblemError

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

LARGEST_HEAD = 32 << 10
"""Bytes of a request's address, and again of its headers: papermill-api takes parameters in the address."""
_REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{1,100}")
_READING = ("GET", "HEAD", "OPTIONS", "DELETE")
_QUIET = ("/health", "/health/live", "/metrics")
_HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"cache-control", b"no-store"),
    (b"referrer-policy", b"same-origin"),
)
_POLICY = (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'")
"""The policy of responses without one; scripts have none, because a worker obeys the policy of its script."""
_LINGER_BYTES, _LINGER_SECONDS = 64 << 20, 5.0
"""How much of a body that is too large is still read, since a client may read the response only after sending it."""


class BodyTooLargeError(Exception):
    """The body of a request is larger than the server accepts; the client has the response already or gets it."""


class BodyLimits(Protocol):
    """The largest bodies of requests, in bytes."""

    @property
    def body(self) -> int:
        """Size of a body without uploads."""

    @property
    def upload(self) -> int:
        """Size of a body with uploads (``multipart/form-data``)."""


class Callers(Protocol):
    """The check of callers."""

    def finish(self, scope: Scope) -> None:
        """Note that a request has been answered."""


class RequestCounter(Protocol):
    """The metrics of requests."""

    def count_request(self, *, method: str, route: str, status: int, seconds: float | None) -> None:
        """Count an HTTP request; without ``seconds``, as for a stream, its duration does not count."""


class Service(Protocol):
    """A server, as far as it is the same for all its requests."""

    @property
    def base_url(self) -> str:
        """The path below which a proxy offers it, without a slash at its end."""

    @property
    def limits(self) -> BodyLimits:
        """Its limits."""

    @property
    def access(self) -> Callers:
        """Its check of callers."""

    @property
    def metrics(self) -> RequestCounter:
        """Its metrics."""

    @property
    def draining(self) -> bool:
        """Whether it is shutting down."""


class FrontDoor:
    """An ASGI application around the server's."""

    def __init__(self, inner: Application, context: Service) -> None:
        self._inner = inner
        self._context = context

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            await self._inner(scope, receive, send)
            return
        exchange = _Exchange(scope, receive, send, limit=self._body_limit(scope))
        try:
            await self._answer(exchange)
        finally:
            self._context.access.finish(scope)
            self._note(exchange)

    async def _answer(self, exchange: _Exchange) -> None:
        try:
            if problem := self._refusal(exchange):
                await exchange.refuse(problem)
            elif exchange.is_declared_too_large:
                await exchange.refuse_body()
            else:
                await self._inner(exchange.scope, exchange.receive, exchange.send)
        except (BodyTooLargeError, ClientDisconnect):
            pass
        except Exception as error:  # noqa: BLE001 - no traceback leaves the server
            full = has_no_space(error)
            log("disk full" if full else "error", level=logging.ERROR, error=None if full else error, id=exchange.id)
            await exchange.refuse(unexpected_problem(error, exchange.id))
        if exchange.is_too_large:
            await exchange.refuse_body()

    def _refusal(self, exchange: _Exchange) -> ProblemError | None:
        """Return why a request is refused, for any resource."""
        scope = exchange.scope
        if len(scope["raw_path"]) + len(scope["query_string"]) > LARGEST_HEAD:
            return ProblemError(414, f"the address has more than {LARGEST_HEAD} bytes; send values in a body")
        if sum(len(name) + len(value) for name, value in scope["headers"]) > LARGEST_HEAD:
            return ProblemError(431, f"the headers have more than {LARGEST_HEAD} bytes")
        if self._context.draining and exchange.method not in _READING:
            return ProblemError(503, "the server is shutting down; try again later", headers={"Retry-After": "10"})
        return None

    def _body_limit(self, scope: Scope) -> int:
        limits = self._context.limits
        kind = _header(scope["headers"], b"content-type").lower()
        return limits.upload if kind.startswith(b"multipart/form-data") else limits.body

    def _note(self, exchange: _Exchange) -> None:
        status = exchange.status or 499  # the client left
        seconds = time.monotonic() - exchange.began
        route = getattr(exchange.scope.get("route"), "path", "(none)")
        self._context.metrics.count_request(
            method=exchange.method, route=route, status=status, seconds=None if exchange.is_stream else seconds
        )
        identity = exchange.scope.get("identity")
        log(
            "request",
            level=logging.DEBUG if route in _QUIET and status < 400 else logging.INFO,
            id=exchange.id,
            method=exchange.method,
            path=exchange.scope["path"],
            status=status,
            ms=round(seconds * 1000, 1),
            by=getattr(identity, "name", None),
        )


class _Exchange:
    """One request and its response."""

    def __init__(self, scope: Scope, receive: Receive, send: Send, *, limit: int) -> None:
        self.scope = scope
        self.method: str = scope["method"]
        self.began = time.monotonic()
        self.id = _request_id(scope["headers"])
        self.status: int | None = None
        self.is_stream = False
        self.is_too_large = False
        self._receive, self._send = receive, send
        self._limit, self._received = limit, 0
        self._more = True
        scope["request_id"] = self.id

    @property
    def is_declared_too_large(self) -> bool:
        """Whether the request announces a body beyond the limit."""
        length = _header(self.scope["headers"], b"content-length")
        return length.isdigit() and int(length) > self._limit

    async def receive(self) -> Message:
        """Return the next part of the body.

        Raises:
            BodyTooLargeError: the body is beyond the limit.
        """
        message = await self._receive()
        if message["type"] == "http.request":
            self._more = message.get("more_body", False)
            self._received += len(message.get("body", b""))
            if self._received > self._limit:
                self.is_too_large = True
                raise BodyTooLargeError
        return message

    async def send(self, message: Message) -> None:
        """Send a part of the response, unless the body was too large, which is another response."""
        if message["type"] == "http.response.start":
            if self.is_too_large:
                raise BodyTooLargeError
            self.status = message["status"]
            message["headers"] = self._with_headers(list(message.get("headers", ())))
        elif self.is_too_large and self.status is None:
            raise BodyTooLargeError
        await self._send(message)

    async def refuse(self, problem: ProblemError) -> None:
        """Answer with a problem, unless a response has begun."""
        if self.status is None:
            await problem.response()(self.scope, self._receive, self.send)

    async def refuse_body(self) -> None:
        """Answer that the body is too large, and read on for a while, so that the client gets to read the answer."""
        if self.status is not None:
            return
        self.is_too_large = False
        detail = f"the body of the request is larger than {self._limit} bytes, which is the limit"
        response = ProblemError(413, detail, headers={"Connection": "close"}).response()
        start = {"type": "http.response.start", "status": 413, "headers": response.raw_headers}
        await self.send(start)
        await self.send({"type": "http.response.body", "body": response.body, "more_body": True})
        await self._drain()
        await self.send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _drain(self) -> None:
        end = time.monotonic() + _LINGER_SECONDS
        left = _LINGER_BYTES
        while self._more and left > 0 and time.monotonic() < end:
            try:
                message = await asyncio.wait_for(self._receive(), _LINGER_SECONDS)
            except asyncio.TimeoutError:
                return
            if message["type"] != "http.request":
                return
            self._more = message.get("more_body", False)
            left -= len(message.get("body", b""))

    def _with_headers(self, headers: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
        present = {name.lower(): value for name, value in headers}
        self.is_stream = present.get(b"content-type", b"").startswith(b"text/event-stream")
        is_script = b"javascript" in present.get(b"content-type", b"")
        added = _HEADERS if is_script else (*_HEADERS, _POLICY)
        headers += [(name, value) for name, value in added if name not in present]
        return [*headers, (b"x-request-id", self.id.encode())]


def _header(headers: Iterable[tuple[bytes, bytes]], wanted: bytes) -> bytes:
    return next((value for name, value in headers if name == wanted), b"")


def _request_id(headers: Iterable[tuple[bytes, bytes]]) -> str:
    """Return the id that the client or a proxy gave, or a new one."""
    given = _header(headers, b"x-request-id")
    return given.decode() if _REQUEST_ID.fullmatch(given) else secrets.token_hex(8)
