"""Threads for requests that wait for other programs or servers, apart from the threads of all other requests.

FastAPI answers requests in forty threads. If those that wait for a stranger's repository, or for each other, had these
threads, a few dozen of them would keep the service from answering anything else.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache, partial
from typing import Any, ParamSpec, TypeVar

import anyio
from anyio.to_thread import run_sync

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")
_AT_ONCE = 8
"""Further ones wait without a thread."""


async def run_slowly(
    call: Callable[Arguments, Result], *arguments: Arguments.args, **named: Arguments.kwargs
) -> Result:
    """Call a function that may take long, in one of a few threads."""
    return await run_sync(partial(call, *arguments, **named), limiter=_threads())


async def run_with_names(
    given: Mapping[str, Any],
    name: str,
    call: Callable[Arguments, Result],
    *arguments: Arguments.args,
    **named: Arguments.kwargs,
) -> Result:
    """Call a function that resolves a host if a parameter is given: the servers of its name may answer slowly."""
    if given.get(name):
        return await run_slowly(call, *arguments, **named)
    return await run_sync(partial(call, *arguments, **named))


@lru_cache(maxsize=1)
def _threads() -> anyio.CapacityLimiter:
    return anyio.CapacityLimiter(_AT_ONCE)
