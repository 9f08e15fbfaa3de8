"""Files as responses: a file that disappears is no error of a server."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from starlette.responses import Response

from generator.runner.server.file_responses import file_response as file_of_a_run
from generator.runner.server.problems import ProblemError
from generator.service.api.downloads import file_response as file_of_a_job
from generator.service.http_errors import HttpError

_Make = Callable[..., Response]
services = pytest.mark.parametrize("make", [file_of_a_job, file_of_a_run], ids=["service", "runner"])


def send(response: Response, **headers: str) -> tuple[int, dict[str, str], bytes]:
    """Return the status, the headers and the body of a response to a GET request."""
    sent: list[dict[str, Any]] = []

    async def note(message: Any) -> None:
        sent.append(message)

    async def wait() -> Any:
        await asyncio.Event().wait()

    given = [(name.encode(), value.encode()) for name, value in headers.items()]
    scope = {"type": "http", "method": "GET", "headers": given, "asgi": {"spec_version": "2.3"}}
    asyncio.run(response(scope, wait, note))
    head = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
    return sent[0]["status"], head, b"".join(message.get("body", b"") for message in sent[1:])


@services
def test_a_file_that_is_removed_before_it_is_sent_is_sent(make: _Make, tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    file.write_text("a,b\n1,2\n")
    whole, part = make(file), make(file, media_type="text/plain", filename="b.txt")
    file.unlink()

    status, headers, body = send(whole)
    assert (status, headers["content-type"], body) == (200, "text/csv; charset=utf-8", b"a,b\n1,2\n")
    status, headers, body = send(part, range="bytes=4-6")
    assert (status, headers["content-range"], body) == (206, "bytes 4-6/8", b"1,2")
    assert headers["content-disposition"] == 'attachment; filename="b.txt"'


@services
@pytest.mark.parametrize("place", ["missing", "file/below", "folder", "pipe"])
def test_what_is_no_file_is_not_found(make: _Make, tmp_path: Path, place: str) -> None:
    """A pipe, in whose place a notebook may have a file a moment before, would be waited for without end."""
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")

    with pytest.raises((HttpError, ProblemError)) as refused:
        make(tmp_path / place)
    assert refused.value.status == 404
