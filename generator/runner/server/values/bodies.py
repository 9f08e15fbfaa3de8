"""The body of a request in memory, within the limit for bodies without uploads."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from fastapi import Request
from starlette.concurrency import run_in_threadpool

from generator.runner.server.problems import ProblemError

Result = TypeVar("Result")
_QUICK = 64 << 10
"""Bytes that are parsed at once, since a thread takes longer than to parse them."""


async def read_bytes(request: Request, limit: int, *, advice: str = "; send files as multipart/form-data") -> bytes:
    """Read a body into memory; ``advice`` is for clients whose body is too large.

    `Request.body` has no such limit: the front door takes a body that counts as a form up to the limit of uploads.

    Raises:
        ProblemError: 413, it is larger than ``limit``.
    """
    data = bytearray()
    async for chunk in request.stream():
        data += chunk
        if len(data) > limit:
            raise ProblemError(413, f"the body is larger than {limit} bytes{advice}")
    return bytes(data)


async def parse_body(parse: Callable[..., Result], data: bytes | str, *rest: object) -> Result:
    """Call a function that parses a body: in a thread if it is large, since others are to be answered meanwhile."""
    if len(data) <= _QUICK:
        return parse(data, *rest)
    return await run_in_threadpool(parse, data, *rest)
