"""Wait for the run of a request, as long as its client does."""

from __future__ import annotations

from fastapi import Request

from generator.runner.server.context import context_of
from generator.runner.server.leaving import unless_client_leaves, wait_for_leaving
from generator.runner.server.runs.model import Run


async def wait_for_run(request: Request, run: Run, seconds: float | None) -> Run:
    """Return a run when it has ended, or after a time (`RunEvents.wait`); the body of the request has been read.

    Requests that clients gave up would count as those of their token, and keep it from further ones until the run ends.

    Raises:
        ClientDisconnect: the client left; the run goes on.
        RunMissingError: there is no such run.
    """
    waiting = context_of(request).events.wait(run, seconds)
    return await unless_client_leaves(waiting, wait_for_leaving(request.receive))
