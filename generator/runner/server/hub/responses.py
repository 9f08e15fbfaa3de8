"""Responses that come from users' servers."""

from __future__ import annotations

from typing import Any

import aiohttp
from fastapi import Response
from starlette.types import Receive, Scope, Send

from generator.runner.server.hub.forwarding import Forwarded
from generator.runner.server.hub.user_servers import UserServers

_SCHEDULES = "/schedules"


class ForwardedResponse(Response):
    """The response of a user's server, which is started for it if needed."""

    def __init__(self, servers: UserServers, username: str, **exchange: Any) -> None:
        """Take the user, and the arguments of `Forwarded`."""
        super().__init__()
        self._servers, self._username = servers, username
        self._target: str = exchange["target"]
        self._exchange = exchange

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the response.

        Raises:
            ProblemError: the server cannot be started, or does not answer.
        """
        async with self._servers.use(self._username) as server:
            changes = scope["method"] not in ("GET", "HEAD", "OPTIONS")
            exchange = Forwarded(server, before_response=self._note_schedules if changes else None, **self._exchange)
            await exchange.answer(scope, receive, send)

    async def _note_schedules(self, response: aiohttp.ClientResponse) -> None:
        """Remember whether the user has schedules, before the client knows that a schedule was created."""
        if self._target.startswith(_SCHEDULES) or _SCHEDULES in response.headers.get("Location", ""):
            await self._servers.note_schedules(self._username)
