"""Wait for the run of a request, as long as its client does."""

from __future__ import annotations

import asyncio

from fastapi import Request
from starlette.requests import ClientDisconnect

from generator.runner.server.context import context_of
from generator.runner.server.runs.model import Run


async def wait_for_run(request: Request, run_id: str, seconds: float | None) -> Run:
    """Return a run when it has ended, or after a time; the body of the request has been read.

    Requests that clients gave up would count as those of their token, and keep it from further ones until the run ends.

    Raises:
        ClientDisconnect: the client left; the run goes on.
        RunMissingError: there is no such run.
    """
    waiting = asyncio.ensure_future(context_of(request).events.wait(run_id, seconds))
    leaving = asyncio.ensure_future(_wait_for_leaving(request))
    try:
        await asyncio.wait((waiting, leaving), return_when=asyncio.FIRST_COMPLETED)
        if waiting.done():
            return waiting.result()
        await leaving
        raise ClientDisconnect
    finally:
        for task in (waiting, leaving):
            task.cancel()
        await asyncio.gather(waiting, leaving, return_exceptions=True)


async def _wait_for_leaving(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
