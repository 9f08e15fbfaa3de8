"""A request that a user's server answers: bodies and responses pass as they arrive, events among them.

The user's server belongs to its user. So it gets neither tokens nor cookies of the caller, and cannot set cookies.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from http import HTTPStatus
from urllib.parse import unquote

import aiohttp
from multidict import CIMultiDict
from starlette.requests import ClientDisconnect
from starlette.types import Message, Receive, Scope, Send
from yarl import URL

from generator.runner.server.hub.scopes import Action
from generator.runner.server.hub.user_server import UserServer
from generator.runner.server.leaving import unless_client_leaves, wait_for_leaving
from generator.runner.server.problems import ProblemError

_CONNECTION = frozenset(
    b"connection keep-alive proxy-connection te trailer transfer-encoding upgrade".split()  # codespell:ignore te
)
"""Headers of one connection alone (RFC 9110, section 7.6.1)."""
_NOT_SENT = _CONNECTION | {
    b"authorization",
    b"cookie",
    b"expect",
    b"forwarded",
    b"proxy-authorization",
    b"x-request-id",
}
_OF_THE_HOST = frozenset(
    b"set-cookie clear-site-data service-worker-allowed strict-transport-security alt-svc nel report-to".split()
)
"""Headers that a browser would heed for all addresses of the host, the hub's among them."""
_NOT_RETURNED = _CONNECTION | _OF_THE_HOST | {b"x-request-id", b"date"}
_STATUSES = frozenset(map(int, HTTPStatus)) - {101}
_READING = frozenset(("GET", "HEAD", "OPTIONS"))
_SENT_ONCE = frozenset(("POST", "PATCH"))
"""Methods that aiohttp does not repeat on another connection if one ends."""
_CONTROLS = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")


class Forwarded:
    """An exchange with a user's server."""

    def __init__(
        self,
        server: UserServer,
        *,
        target: str,
        action: Action,
        body: bytes | None = None,
        confirm: Callable[[], Awaitable[None]] | None = None,
        before_response: Callable[[aiohttp.ClientResponse], Awaitable[None]] | None = None,
    ) -> None:
        """``target`` is a percent-encoded path with its query; ``body`` is the request's, if it has been read.

        Else ``confirm`` is called when the body has arrived, and raises ProblemError if the caller may not any more.
        """
        self._server, self._target, self._action, self._body = server, target, action, body
        self._confirm = confirm
        self._before_response = before_response
        self._error: BaseException | None = None
        self._sent = asyncio.Event()
        self._status: int | None = None

    async def answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request with the response of the user's server.

        Raises:
            ProblemError: 502, the server does not answer; 400, a header is not text.
            ClientDisconnect: the client left.
        """
        await unless_client_leaves(self._exchange(scope, receive, send), self._wait_for_leaving(receive))

    async def _exchange(self, scope: Scope, receive: Receive, send: Send) -> None:
        session = self._server.session
        method = scope["method"]
        if session is None:
            raise self._unanswered(method, is_sent=False)
        try:
            async with session.request(
                method,
                URL(f"http://localhost{self._target}", encoded=True),
                headers=self._headers(scope),
                data=self._data(scope, receive),
                skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding", "Content-Type"),
                allow_redirects=False,
            ) as response:
                if response.status not in _STATUSES:
                    raise self._unanswered(method, is_invalid=True)
                await self._return(response, send)
        except (aiohttp.ClientError, ConnectionError) as error:
            if self._error is not None:  # the body of the request was too large, or its client left
                raise self._error from None
            if self._status is None:
                raise self._unanswered(
                    method,
                    is_invalid=isinstance(error, aiohttp.ClientResponseError),
                    is_sent=not (isinstance(error, aiohttp.ClientConnectorError) and method in _SENT_ONCE),
                ) from error
            raise ClientDisconnect from error  # the response ends early, and its reader notices

    async def _return(self, response: aiohttp.ClientResponse, send: Send) -> None:
        if self._before_response:
            await self._before_response(response)
        self._status = response.status
        headers = [(name.lower(), value) for name, value in response.raw_headers]
        start = [(name, value) for name, value in headers if name not in _NOT_RETURNED]
        await send({"type": "http.response.start", "status": response.status, "headers": start})
        async for chunk in response.content.iter_any():
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    def _unanswered(self, method: str, *, is_invalid: bool = False, is_sent: bool = True) -> ProblemError:
        """Return the error of a request without a response; the advice to repeat it must not run a notebook twice."""
        problem = "sent an invalid response, or too large headers" if is_invalid else "ended before it answered"
        detail = f"the server of the user's notebooks {problem}"
        if is_sent and self._changes(method):
            return ProblemError(
                502, f"{detail}; the request may have started a run: look at /runs before you repeat it"
            )
        if is_invalid:
            return ProblemError(502, detail)
        return ProblemError(502, f"{detail}; try again", headers={"Retry-After": "1"})

    def _changes(self, method: str) -> bool:
        """Whether a request does more than to read: papermill-api runs notebooks by GET, too."""
        first = unquote(self._target.partition("?")[0]).strip("/").partition("/")[0]
        return method not in _READING or first == "run"

    def _headers(self, scope: Scope) -> CIMultiDict[str]:
        headers = CIMultiDict[str](_texts(scope["headers"]))
        if _is_chunked(scope):  # a length in addition would divide the connection into other requests (RFC 9112, 6.3)
            headers.popall("Content-Length", None)
        if self._body is not None:
            headers["Content-Length"] = str(len(self._body))
        headers["Authorization"] = f"Bearer {self._server.token(self._action)}"
        headers["X-Forwarded-Proto"] = scope["scheme"]
        headers["X-Forwarded-For"] = str((scope.get("client") or ("",))[0])
        headers["X-Request-ID"] = scope.get("request_id", "")
        return headers

    def _data(self, scope: Scope, receive: Receive) -> bytes | AsyncIterator[bytes] | None:
        if self._body is not None:
            self._sent.set()
            return self._body
        names = {name for name, _ in scope["headers"]}
        if not names & {b"content-length", b"transfer-encoding"}:
            self._sent.set()
            return None
        return self._stream(receive)

    async def _stream(self, receive: Receive) -> AsyncIterator[bytes]:
        """Return the parts of a body; the last one is held back until the caller is confirmed."""
        more, held = True, b""
        while more:
            try:
                message: Message = await receive()
            except BaseException as error:
                self._error = error
                raise
            if message["type"] == "http.disconnect":
                self._error = ClientDisconnect()
                raise self._error
            more = message.get("more_body", False)
            if message.get("body"):
                if held:
                    yield held
                held = message["body"]
        if self._confirm is not None:
            try:
                await self._confirm()
            except BaseException as error:
                self._error = error
                raise
        if held:
            yield held
        self._sent.set()

    async def _wait_for_leaving(self, receive: Receive) -> None:
        await self._sent.wait()
        await wait_for_leaving(receive)


def _is_chunked(scope: Scope) -> bool:
    return any(name == b"transfer-encoding" for name, _ in scope["headers"])


def _texts(headers: Iterable[tuple[bytes, bytes]]) -> list[tuple[str, str]]:
    """Return the headers that are passed on."""
    try:
        texts = [
            (name.decode("ascii"), value.decode())
            for name, value in headers
            if name not in _NOT_SENT and not name.startswith(b"x-forwarded-")
        ]
    except UnicodeDecodeError:
        raise ProblemError(400, "a header of the request is not text in UTF-8") from None
    if any(_CONTROLS.search(value) for _, value in texts):
        raise ProblemError(400, "a header of the request has a control character")
    return texts
