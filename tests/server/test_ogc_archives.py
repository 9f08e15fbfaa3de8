"""Results of OGC API - Processes as raw bytes: archives of folders, names of parts, links."""

from __future__ import annotations

import asyncio
import io
import json
import zipfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from fastapi import FastAPI, Request
from fastapi.responses import Response

from generator.runner.server.ogc.addresses import Addresses
from generator.runner.server.ogc.raw import _archive, raw_response
from generator.runner.server.ogc.results import Result, ResultFile

_RUN = "0" * 32


def _addresses() -> Addresses:
    app = FastAPI()
    app.state.context = SimpleNamespace(base_url="/services/packmill/users/ada")
    headers = [(b"host", b"hub.example.org")]
    scope = {"type": "http", "app": app, "scheme": "https", "path": "/", "query_string": b"", "headers": headers}
    return Addresses(Request(cast("Any", scope)))


def _result(folder: Path, name: str, *, number: int = 1, by_reference: bool = False) -> Result:
    names = [f"plot-{count}.png" for count in range(number)]
    files = tuple(ResultFile(path=folder / one, relative=one) for one in names)
    for file in files:
        file.path.write_text("x")
    return Result(id=name, files=files, is_list=number > 1, by_reference=by_reference)


def _body(response: Response) -> bytes:
    async def read() -> bytes:
        return b"".join([bytes(chunk) async for chunk in cast("Any", response).body_iterator])

    return asyncio.run(read())


def test_the_archive_of_a_folder_takes_no_disk_space(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "maps"
    (folder / "below").mkdir(parents=True)
    (folder / "below" / "a.txt").write_text("a" * (1 << 20))
    (folder / "link").symlink_to("/etc/hostname")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "missing"))

    pieces = list(_archive(folder))

    assert len(pieces) > 3
    with zipfile.ZipFile(io.BytesIO(b"".join(pieces))) as archive:
        assert archive.namelist() == ["below/a.txt"]
        assert archive.read("below/a.txt") == b"a" * (1 << 20)


def test_one_result_of_two_requested_ones_has_its_name(tmp_path: Path) -> None:
    """Without a name, the bytes would be taken for those of the output that was not written."""
    response = raw_response(_RUN, [_result(tmp_path, "b")], _addresses(), one_requested=False)

    assert response.headers["Content-Type"].startswith("multipart/related")
    assert b"Content-ID: <b>\r\n\r\nx\r\n" in _body(response)


def test_links_that_make_headers_too_large_are_a_document(tmp_path: Path) -> None:
    """Proxies refuse headers of more than 4 KiB, and clients those of more than 64: a repetition runs all again."""
    few, many = (_result(tmp_path, "plots", number=number, by_reference=True) for number in (5, 500))

    headers = raw_response(_RUN, [few], _addresses(), one_requested=True)
    document = raw_response(_RUN, [many], _addresses(), one_requested=True)

    assert headers.status_code == 204
    assert headers.headers["Link"].count('rel="plots.') == 5
    assert document.status_code == 200
    assert "Link" not in document.headers
    assert document.headers["Content-Type"] == "application/json"
    assert len(json.loads(document.body)["plots"]) == 500
