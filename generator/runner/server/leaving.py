"""Work that a client waits for ends when the client leaves."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from starlette.requests import ClientDisconnect
from starlette.types import Receive

Result = TypeVar("Result")


async def unless_client_leaves(work: Coroutine[Any, Any, Result], leaving: Coroutine[Any, Any, None]) -> Result:
    """Return what ``work`` returns; if ``leaving`` ends first, ``work`` is canceled.

    Raises:
        ClientDisconnect: the client left.
    """
    tasks = working, left = asyncio.ensure_future(work), asyncio.ensure_future(leaving)
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            return working.result()
        await left
        raise ClientDisconnect
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def wait_for_leaving(receive: Receive) -> None:
    """Wait until the client of a request leaves; its body has been received."""
    while (await receive())["type"] != "http.disconnect":
        pass
