"""A hub that breaks off its answers, or a proxy that answers in its place, without a real hub."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable

import pytest

pytest.importorskip("jupyterhub")

from aiohttp import web

from generator.runner.server.hub.environment import HubEnvironment
from generator.runner.server.hub.hub_api import HubApi
from generator.runner.server.problems import ProblemError

Question = Callable[[HubApi], Awaitable[object]]
_USER = {"name": "ada", "kind": "user", "scopes": ["list:users"]}


async def _log_in(hub: HubApi) -> object:
    return await hub.finish_login("code", hub.begin_login("/base/").state)


def _identify(hub: HubApi) -> Awaitable[object]:
    return hub.identify("t" * 32, fresh=True)


async def _ask(question: Question, *, body: bytes, status: int, length: int | None) -> object:
    """Ask a hub that answers every request alike; ``length`` is the one that it states."""

    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(status=status, headers={"Content-Type": "application/json"})
        response.content_length = len(body) if length is None else length
        await response.prepare(request)
        await response.write(body)
        if length is not None and request.transport:
            request.transport.abort()
        return response

    application = web.Application()
    application.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(application)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        address = f"http://127.0.0.1:{runner.addresses[0][1]}/hub/api"
        environment = HubEnvironment(
            api_url=address, api_token="s" * 32, base_url="/base", host="127.0.0.1", port=1, managed=False
        )
        return await question(HubApi(environment))
    finally:
        await runner.cleanup()


@pytest.mark.parametrize(
    ("body", "status", "length"),
    [
        (json.dumps(_USER).encode(), 200, 500),
        (b"<html>Starting</html>", 200, None),
        (b"", 204, None),
        (b"{}", 301, None),
        (b'{"error": 5}', 404, None),
        (b"x", 599, None),
        (b"[" * 100_000, 200, None),
        (b"[1]", 200, None),
        (b"{}", 200, None),
        (json.dumps({**_USER, "name": None}).encode(), 200, None),
        (json.dumps({**_USER, "scopes": None}).encode(), 200, None),
        (json.dumps({**_USER, "scopes": "admin"}).encode(), 200, None),
        (json.dumps({**_USER, "scopes": [{}]}).encode(), 200, None),
        (json.dumps({**_USER, "access_token": "t" * 32, "pad": "x" * (5 << 20)}).encode(), 200, None),
    ],
)
def test_an_answer_of_another_form_or_of_any_size_counts_as_none(
    monkeypatch: pytest.MonkeyPatch, body: bytes, status: int, length: int | None
) -> None:
    """Nobody is identified by a name that is not a text, and the service's background work goes on."""
    monkeypatch.setenv("JUPYTERHUB_CLIENT_ID", "service-packmill")

    def ask(question: Question) -> object:
        return asyncio.run(_ask(question, body=body, status=status, length=length))

    for question in (_identify, _log_in):
        with pytest.raises(ProblemError) as caught:
            ask(question)
        assert caught.value.status == 503
    assert ask(HubApi.is_available) is False
    assert ask(lambda hub: hub.has_user("ada")) is None
