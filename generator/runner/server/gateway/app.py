"""The ASGI application: finds the handler of a request, runs it, and sends its answer."""

from __future__ import annotations

import asyncio
import os
import sys
import traceback
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from urllib.parse import unquote

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.staticfiles import StaticFiles
from starlette.types import Receive, Scope, Send

from generator.runner.server.gateway.guard import Guard, UncheckedForms
from generator.runner.server.gateway.notebooks import ServedNotebook
from generator.runner.server.gateway.request_text import read_request
from generator.runner.server.gateway.responses import (
    GatewayResponse,
    Headers,
    failed_response,
    handler_response,
    problem_response,
    with_entity_tag,
)
from generator.runner.server.gateway.routes import Match, Routes, UndecodableError
from generator.runner.server.gateway.states.calls import BusyError, Call, CallTimeoutError, KernelEndedError, State
from generator.runner.server.gateway.swagger import swagger_document
from generator.runner.server.leaving import wait_for_leaving
from generator.runner.server.problems import ProblemError, full_disk_problem
from generator.shared.passing_errors import is_full_disk
from generator.shared.removal import remove_tree

_UNCHECKED_FORMS = 4
"""Bodies of the largest size that the server holds at once before it has checked their tokens."""
_RETRY_AFTER = "1"
"""Seconds after which a request that found too many others may be tried again."""


@dataclass(frozen=True, kw_only=True, slots=True)
class GatewaySettings:
    """How requests are answered; sizes in bytes, times in seconds."""

    uploads: Path
    """The folder of requests' files."""
    base: str = ""
    """The path that all others are below, without a slash at its end."""
    cors: Headers = field(default_factory=list)
    download: bool = False
    static: Path | None = None
    largest_body: int = 16 * 1024**2
    largest_upload: int = 1024**3
    pause: float = 30.0
    """How long a client may pause while it sends a body."""


class GatewayApp:
    """The application."""

    def __init__(
        self,
        notebooks: Sequence[ServedNotebook],
        states: Sequence[State],
        routes: Routes,
        guard: Guard,
        settings: GatewaySettings,
    ) -> None:
        self._states, self._routes, self._guard, self._settings = states, routes, guard, settings
        self._unchecked_forms = UncheckedForms(_UNCHECKED_FORMS * settings.largest_body)
        spec = swagger_document(notebooks[0].title, routes.all(), settings.base)
        self._documents = {"/_api/spec/swagger.json": _document(spec, b"application/json")}
        for notebook in reversed(notebooks) if settings.download else ():
            source = _document(notebook.data, b"application/x-ipynb+json")
            self._documents |= {"/_api/source": source, f"/_api/source/{notebook.name}": source}
        self._static = StaticFiles(directory=settings.static) if settings.static else None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return
        request = Request(scope, receive)
        try:
            self._guard.check_site(request)
            below = self._below_base(scope["raw_path"].decode("latin-1").partition("?")[0])
            if self._static and below.startswith("/public/"):
                await self._send_file(self._static, request, below, send)
                return
            response = await self._respond(request, below)
        except ProblemError as error:
            response = problem_response(error.status, error.detail, _encode(error.headers))
        except ClientDisconnect:
            return
        except Exception as error:  # noqa: BLE001 - its client gets no details
            response = _unexpected(error)
        await self._send(response, send)

    def _below_base(self, path: str) -> str:
        """Return a path without the base; empty if it is not below it."""
        return path.removeprefix(self._settings.base) if path.startswith(f"{self._settings.base}/") else ""

    async def _respond(self, request: Request, path: str) -> GatewayResponse:
        document = self._documents.get(path)
        try:
            match = self._routes.find(path, request.method) if path and document is None else None
        except UndecodableError as error:
            raise ProblemError(400, str(error)) from None
        if document is None and match is None:
            raise ProblemError(404, "")
        if request.method == "OPTIONS":
            return GatewayResponse(status=200, headers=[])
        form_has_token = self._guard.check_token(request)
        allowed = [*match.route.endpoints] if match else ["GET"]
        if request.method not in allowed:
            known = ", ".join(sorted([*allowed, "OPTIONS"]))
            raise ProblemError(405, f"allowed: {known}", headers={"Allow": known})
        response = await self._call(request, match, form_has_token=form_has_token) if match else document
        assert response is not None  # noqa: S101 - one of them is there
        if request.method == "GET":
            return with_entity_tag(response, request.headers.get("if-none-match", "").encode("latin-1"))
        return response

    async def _call(self, request: Request, match: Match, *, form_has_token: bool) -> GatewayResponse:
        """Read the request, run its handler, and remove the request's files."""
        settings = self._settings
        uploads = settings.uploads / f"packmill-upload-{os.urandom(12).hex()}"
        chunks = self._chunks(request)
        try:
            with self._unchecked_forms.hold(chunks) if form_has_token else nullcontext(chunks) as chunks:
                text = await read_request(
                    chunks,
                    request.scope["headers"],
                    request.scope["query_string"],
                    uploads=uploads,
                    path=match.values,
                    largest_body=settings.largest_body,
                    largest_upload=settings.largest_body if form_has_token else settings.largest_upload,
                    check_token=partial(self._guard.check_form, request) if form_has_token else None,
                )
            call = Call(
                endpoint=match.route.endpoints[request.method],
                request=text,
                leaving=partial(wait_for_leaving, request.receive),
            )
            return await self._run(self._states[match.route.owner], call)
        finally:
            if uploads.exists():
                await asyncio.to_thread(remove_tree, uploads)

    @staticmethod
    async def _run(state: State, call: Call) -> GatewayResponse:
        try:
            answer = await state.call(call)
        except BusyError as error:
            raise ProblemError(503, str(error), headers={"Retry-After": _RETRY_AFTER}) from None
        except CallTimeoutError:
            raise ProblemError(504, "the handler exceeded the time limit") from None
        except KernelEndedError as error:
            raise ProblemError(500, f"the handler did not answer: {error}") from None
        return failed_response(answer.error) if answer.error else handler_response(answer.body, answer.info)

    async def _chunks(self, request: Request) -> AsyncIterator[bytes]:
        chunks = request.stream()
        while True:
            try:
                yield await asyncio.wait_for(anext(chunks), self._settings.pause)
            except StopAsyncIteration:
                return
            except asyncio.TimeoutError:
                raise ProblemError(408, "the body did not arrive in time", headers={"Connection": "close"}) from None

    async def _send_file(self, static: StaticFiles, request: Request, below: str, send: Send) -> None:
        """Send a file of the folder for static files; links out of it are not followed."""
        path = unquote(below.removeprefix("/public"))
        try:
            await static({**request.scope, "path": path, "root_path": ""}, request.receive, send)
        except HTTPException as error:
            await self._send(problem_response(error.status_code), send)

    async def _send(self, response: GatewayResponse, send: Send) -> None:
        headers = [*response.headers, *self._settings.cors]
        if response.status not in (204, 304):
            headers.append((b"Content-Length", str(len(response.body)).encode()))
        await send({"type": "http.response.start", "status": response.status, "headers": headers})
        await send({"type": "http.response.body", "body": response.body})


def _unexpected(error: Exception) -> GatewayResponse:
    """Write an error to the log, and return the response: that of a full disk, or of a mistake of this program."""
    if is_full_disk(error):
        print(f"A request failed, the disk is full: {error}", file=sys.stderr)
        problem = full_disk_problem()
        return problem_response(problem.status, problem.detail, _encode(problem.headers))
    traceback.print_exc(file=sys.stderr)
    return problem_response(500, "an error of the server; its log has more")


def _document(data: bytes, kind: bytes) -> GatewayResponse:
    return GatewayResponse(status=200, headers=[(b"Content-Type", kind)], body=data)


def _encode(headers: Mapping[str, str]) -> Headers:
    return [(name.encode(), value.encode()) for name, value in headers.items()]
