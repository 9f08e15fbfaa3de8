"""Serve the current contents of a growing log file, with Range support."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from fastapi import Request, Response
from fastapi.responses import PlainTextResponse, StreamingResponse

_CHUNK = 1 << 18


def growing_file_response(file: Path, request: Request, headers: dict[str, str] | None = None) -> Response:
    """Return the current text of a log; a ``Range`` of the form ``bytes=N-`` returns the rest (RFC 9110, 14.2)."""
    try:
        opened = file.open("rb")
    except FileNotFoundError:
        return PlainTextResponse("", headers=headers)
    size = os.fstat(opened.fileno()).st_size  # the log may be removed meanwhile
    requested = re.fullmatch(r"bytes=(\d{1,18})-", request.headers.get("range", ""))
    start = int(requested[1]) if requested else 0
    if start and start >= size:
        opened.close()
        return PlainTextResponse("", status_code=416, headers={**(headers or {}), "Content-Range": f"bytes */{size}"})
    answer_headers = {**(headers or {}), "Content-Length": str(size - start), "Accept-Ranges": "bytes"}
    if requested and size:
        answer_headers["Content-Range"] = f"bytes {start}-{size - 1}/{size}"
    status = 206 if requested and size else 200
    content = _content(opened, start, size)
    return StreamingResponse(
        content, status_code=status, media_type="text/plain; charset=utf-8", headers=answer_headers
    )


def _content(opened: BinaryIO, start: int, size: int) -> Iterator[bytes]:
    with opened:
        opened.seek(start)
        while start < size and (chunk := opened.read(min(_CHUNK, size - start))):
            start += len(chunk)
            yield chunk
