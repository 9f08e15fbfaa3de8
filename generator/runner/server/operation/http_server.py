"""The HTTP server: its connections, and a shutdown that lets running runs finish."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from types import FrameType
from typing import cast

import h11
import uvicorn

from generator.runner.server.garbage_collection import exempt_loaded_objects
from generator.runner.server.operation.base_path import BasePath
from generator.runner.server.operation.front_door import LARGEST_HEAD, Application, FrontDoor, Service
from generator.runner.server.operation.logs import log
from generator.runner.server.problems import ProblemError
from generator.shared.http_connections import ConnectionLimits, Gate, GuardedProtocol, backlog, within_open_files

_LARGEST_HEAD = 2 * LARGEST_HEAD
"""Bytes of an incomplete first line and headers."""
_SLOWEST_UPLOAD = 16 << 10
"""Bytes a second for which a large body gets more time than a request's."""
_LAST_RESPONSES = 5
"""Seconds for responses on their way when all runs have ended."""
EndWork = Callable[[float, asyncio.Event], Awaitable[None]]
"""Begins no new work and waits for what runs: at most some seconds, or until the event that interrupts it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class HttpOptions:
    """Options of the HTTP server; times in seconds. ``proxies`` are addresses and networks, or ``*``."""

    connections: int
    request_timeout: float
    shutdown_timeout: float
    proxies: Sequence[str] = ()


def run_server(
    application: Application, service: Service, listener: socket.socket, options: HttpOptions, end_work: EndWork
) -> None:
    """Answer requests until a signal, and then until work has ended."""
    config = uvicorn.Config(
        BasePath(FrontDoor(application, service), service.base_url),
        http=protocol_factory(options),
        ws="none",
        backlog=backlog,
        log_config=None,
        log_level="warning",
        access_log=False,
        server_header=False,
        h11_max_incomplete_event_size=_LARGEST_HEAD,
        proxy_headers=bool(options.proxies),
        forwarded_allow_ips=list(options.proxies),
        timeout_graceful_shutdown=_LAST_RESPONSES,
    )
    exempt_loaded_objects()
    _DrainingServer(config, end_work, options.shutdown_timeout).run(sockets=[listener])


class _DrainingServer(uvicorn.Server):
    """uvicorn's server, which still answers while running runs end; a second signal interrupts them."""

    def __init__(self, config: uvicorn.Config, end_work: EndWork, timeout: float) -> None:
        super().__init__(config)
        self._end_work = end_work
        self._timeout = timeout
        self._hurry = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._drain: asyncio.Task[None] | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start to answer."""
        self._loop = asyncio.get_running_loop()
        await super().startup(sockets)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002 - a signal handler
        """Begin to drain, or hurry. The signal is not raised again: the exit code of a shutdown is 0."""
        if self._loop is None or not self.started:
            self.should_exit = True
        else:
            self._loop.call_soon_threadsafe(self._note_signal)

    def _note_signal(self) -> None:
        if self._drain is None:
            self._drain = asyncio.create_task(self._end())
        else:
            log("interrupting runs", level=logging.WARNING)
            self._hurry.set()

    async def _end(self) -> None:
        try:
            await self._end_work(self._timeout, self._hurry)
        finally:
            self.should_exit = True


class _Protocol(GuardedProtocol):
    """A connection whose unreadable requests are answered as other errors are."""

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - uvicorn's words
        """Answer a request that is not valid HTTP, or whose head is too long."""
        detail = f"the request is not valid HTTP, or its first line and headers have more than {_LARGEST_HEAD} bytes"
        response = ProblemError(400, detail, headers={"Connection": "close"}).response()
        for event in (
            h11.Response(status_code=400, headers=response.raw_headers),
            h11.Data(data=bytes(response.body)),
            h11.EndOfMessage(),
        ):
            self.transport.write(self.conn.send(event))
        self.transport.close()


def protocol_factory(options: HttpOptions) -> type[asyncio.Protocol]:
    """Return a factory of connection protocols that share one gate."""
    limits = ConnectionLimits(
        total=options.connections, per_address=None, request=options.request_timeout, slowest_body=_SLOWEST_UPLOAD
    )
    fitting, files = within_open_files(limits)
    if fitting < limits.total:
        log("fewer connections", level=logging.WARNING, connections=fitting, instead_of=limits.total, open_files=files)
    gate = Gate(replace(limits, total=fitting))
    return cast("type[asyncio.Protocol]", partial(_Protocol, gate=gate))
