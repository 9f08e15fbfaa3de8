"""The gate that every request passes: who calls, what its token allows, and how much at once."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Any
from urllib.parse import unquote

from starlette.requests import Request
from tornado import httputil, web
from tornado.routing import Router

from generator.runner.server.access import Access, Identity
from generator.runner.server.browsers import check_origin
from generator.runner.server.gateway.websocket.callers import caller, may_see
from generator.runner.server.gateway.websocket.http_server import Connections
from generator.runner.server.gateway.websocket.kernels import Kernels
from generator.runner.server.problems import ProblemError
from generator.runner.server.tokens.role import Role

_CHANNELS = re.compile(r"/api/kernels/[^/]+/channels")
_KERNEL = re.compile(r"/api/kernels/([^/]+)")
_PUBLIC = ("/health", "/health/live")
_READING = ("GET", "HEAD")
_StartLine = httputil.RequestStartLine | httputil.ResponseStartLine


@dataclass(frozen=True, kw_only=True, slots=True)
class GateLimits:
    """How much is accepted; ``body`` in bytes, ``base`` is the path that all others are below, or empty."""

    body: int
    base: str = ""


class Gate(Router):
    """Hands a request to the application if its caller may make it, and answers it otherwise."""

    def __init__(
        self,
        inner: web.Application,
        kernels: Kernels,
        access: Access,
        connections: Connections,
        limits: GateLimits,
        *,
        allow_origin: str,
    ) -> None:
        self._inner, self._kernels, self._access, self._limits = inner, kernels, access, limits
        self._connections, self._allow_origin = connections, allow_origin

    def start_request(self, server_conn: Any, request_conn: httputil.HTTPConnection) -> httputil.HTTPMessageDelegate:
        """Begin to read a request."""
        self._connections.wait(server_conn.stream)
        return super().start_request(server_conn, request_conn)

    def find_handler(self, request: httputil.HTTPServerRequest, **_: Any) -> httputil.HTTPMessageDelegate | None:
        """Return the handler of a request, or of its refusal."""
        caller.set(None)
        try:
            identity = self._check(request)
        except ProblemError as error:
            return self._refusal(request, error)
        caller.set(identity)
        return _Accepted(self._inner.find_handler(request), partial(self._take, request, identity))

    def _refusal(self, request: httputil.HTTPServerRequest, problem: ProblemError) -> httputil.HTTPMessageDelegate:
        return self._inner.get_handler_delegate(request, Refusal, {"problem": problem})

    def _take(
        self, request: httputil.HTTPServerRequest, identity: Identity | None
    ) -> httputil.HTTPMessageDelegate | None:
        """Note that a request has arrived; return its refusal, None if its caller may still make it."""
        self._connections.serve(request.server_connection.stream)  # type: ignore[attr-defined]
        if identity is None or request.method in _READING:
            return None
        try:
            self._access.confirm(identity, "run")
        except ProblemError as error:
            return self._refusal(request, error)
        return None

    def _check(self, request: httputil.HTTPServerRequest) -> Identity | None:
        """Return the caller; None for what everybody may ask.

        Raises:
            ProblemError: the request is refused.
        """
        if self._connections.are_too_many:
            raise ProblemError(503, "too many connections; try again later", headers={"Retry-After": "5"})
        length = request.headers.get("Content-Length", "0")
        if length.isdigit() and int(length) > self._limits.body:
            raise ProblemError(
                413, f"the body has more than {self._limits.body} bytes", headers={"Connection": "close"}
            )
        path = self._find_path(request)
        if request.method == "OPTIONS" or path in _PUBLIC:
            if length != "0" or "Transfer-Encoding" in request.headers:  # Tornado would keep it in memory
                raise ProblemError(413, "this request has no body", headers={"Connection": "close"})
            return None
        identity = self._identify(request, needed_role(request.method or "", path))
        self._check_owner(identity, path)
        return identity

    def _find_path(self, request: httputil.HTTPServerRequest) -> str:
        """Return the path below the base; the base is compared as requests have it, which is how handlers are chosen.

        Raises:
            ProblemError: it is elsewhere, or has a null character.
        """
        base = self._limits.base
        if base and not request.path.startswith(f"{base}/"):
            raise ProblemError(404, "not found")
        path = unquote(request.path.removeprefix(base))
        if "\0" in path:  # no file has such a name
            raise ProblemError(404, "not found")
        return path

    def _identify(self, request: httputil.HTTPServerRequest, role: Role) -> Identity:
        asked = _for_access(request)
        identity = self._access.identify(asked)
        self._access.finish(asked.scope)
        if identity is None:
            raise ProblemError(
                401,
                "a valid token is needed, as 'Authorization: token TOKEN' or '?token=TOKEN'",
                headers={"WWW-Authenticate": "token"},
            )
        if not identity.may(role):
            raise ProblemError(403, f"the token's role is {identity.role!r}, but {role!r} is needed")
        if self._access.open and self._allow_origin != asked.headers.get("origin", ""):
            check_origin(asked)
        return identity

    def _check_owner(self, identity: Identity, path: str) -> None:
        found = _KERNEL.match(path)
        token = caller.set(identity)
        try:
            if found and not may_see(self._kernels.owner_of(found[1])):
                raise ProblemError(404, f"Kernel does not exist: {found[1]}")
        finally:
            caller.reset(token)


class _Accepted(httputil.HTTPMessageDelegate):
    """A request whose caller may make it, which ``take`` asks again when the body, which may be slow, is complete."""

    def __init__(
        self, inner: httputil.HTTPMessageDelegate, take: Callable[[], httputil.HTTPMessageDelegate | None]
    ) -> None:
        self._inner, self._take = inner, take
        self._head: tuple[_StartLine, httputil.HTTPHeaders] | None = None

    def headers_received(self, start_line: _StartLine, headers: httputil.HTTPHeaders) -> Awaitable[None] | None:
        """Take the head."""
        self._head = start_line, headers
        return self._inner.headers_received(start_line, headers)

    def data_received(self, chunk: bytes) -> Awaitable[None] | None:
        """Take a part of the body."""
        return self._inner.data_received(chunk)

    def finish(self) -> None:
        """Answer."""
        refusal = self._take()
        if refusal is not None and self._head is not None:
            self._inner = refusal
            refusal.headers_received(*self._head)
        self._inner.finish()

    def on_connection_close(self) -> None:
        """Note that the client left."""
        self._inner.on_connection_close()


def needed_role(method: str, path: str) -> Role:
    """Return the role that a request needs: a kernel's channels run code although they are opened by GET."""
    return "read" if method in _READING and not _CHANNELS.match(path) else "run"


def _for_access(request: httputil.HTTPServerRequest) -> Request:
    """Return the request for the checks that all servers share, with a token of the query as a header."""
    headers = [(name.lower().encode(), value.encode("utf-8", "replace")) for name, value in request.headers.get_all()]
    if token := request.query_arguments.get("token"):
        headers = [(b"authorization", b"token " + token[-1]), *(one for one in headers if one[0] != b"authorization")]
    return Request(
        {
            "type": "http",
            "method": request.method,
            "scheme": request.protocol,
            "path": request.path,
            "query_string": b"",
            "headers": headers,
            "client": (request.remote_ip or "", 0),
        }
    )


@web.stream_request_body
class Refusal(web.RequestHandler):
    """Answers a refused request in the form of the Kernel Gateway's errors, before its body is read."""

    def initialize(self, problem: ProblemError) -> None:
        """Take the reason."""
        self._problem = problem

    def prepare(self) -> Awaitable[None] | None:
        """Answer."""
        problem = self._problem
        self.set_status(problem.status)
        for name, value in problem.headers.items():
            self.set_header(name, value)
        self.set_header("X-Content-Type-Options", "nosniff")
        if origin := self.settings.get("kg_allow_origin"):
            self.set_header("Access-Control-Allow-Origin", origin)
        self.finish({"reason": problem.title, "message": problem.detail})
        return None

    def data_received(self, chunk: bytes) -> None:
        """Ignore the body."""
