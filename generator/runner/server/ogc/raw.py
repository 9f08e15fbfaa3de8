"""Results as their own bytes: one file as it is, several as ``multipart/related`` (RFC 2387), links as headers."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from fastapi.responses import Response, StreamingResponse

from generator.runner.server import file_responses
from generator.runner.server.ogc.addresses import Addresses
from generator.runner.server.ogc.document import result_address, results_document
from generator.runner.server.ogc.responses import json_response
from generator.runner.server.ogc.results import Result, ResultFile
from generator.runner.server.runs.archive import zip_stream
from generator.shared.regular_files import open_regular_file, pieces

_CHUNK = 1 << 18
_LONGEST_LINKS = 3 << 10
"""Bytes of a header of links: nginx refuses responses with more than 4 KiB of headers, clients those with 8 or 64."""
_SANDBOX = {"Content-Security-Policy": "sandbox"}
"""Pages that a notebook wrote must not act for the user."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Part:
    id: str
    file: ResultFile
    location: str | None = None


def raw_response(run_id: str, results: Sequence[Result], addresses: Addresses, *, one_requested: bool) -> Response:
    """Return the raw response for results: one body, several parts, or links alone if all are references.

    A bare body has no id, so it answers a request for one output alone: of several, only one may exist. Links are
    headers of a response without a body (204), or the document of results (200) if the headers would be too large.
    """
    parts = [part for result in results for part in _parts(run_id, result, addresses)]
    if not parts:
        return Response(status_code=204)
    if all(part.location for part in parts):
        links = ", ".join(map(_link, parts))
        if len(links) > _LONGEST_LINKS:
            return json_response(results_document(run_id, results, addresses))
        return Response(status_code=204, headers={"Link": links})
    if one_requested and len(parts) == 1:
        return file_response(parts[0].file)
    boundary = secrets.token_hex(16)
    kind = f'multipart/related; boundary="{boundary}"; type="{parts[0].file.media_type}"'
    return StreamingResponse(_multipart(parts, boundary), media_type=kind)


def file_response(file: ResultFile) -> Response:
    """Return a file, or an archive of a folder."""
    if file.is_folder:
        headers = {"Content-Disposition": f"attachment; filename*=UTF-8''{quote(file.path.name, safe='')}.zip"}
        return StreamingResponse(_archive(file.path), media_type=file.media_type, headers=headers)
    return file_responses.file_response(file.path, media_type=file.media_type, headers=_SANDBOX)


def _parts(run_id: str, result: Result, addresses: Addresses) -> Iterator[_Part]:
    """Yield a part for each file; its id is that of the output, with a number behind it if there are several files."""
    for number, file in enumerate(result.files):
        identifier = result.id if len(result.files) == 1 else f"{result.id}.{number + 1}"
        address = result_address(run_id, result, number, addresses) if result.by_reference else None
        yield _Part(id=identifier, file=file, location=address)


def _link(part: _Part) -> str:
    return f'<{part.location}>; rel="{quote(part.id)}"; type="{part.file.media_type}"'


def _multipart(parts: Sequence[_Part], boundary: str) -> Iterator[bytes]:
    for part in parts:
        lines = [f"--{boundary}", f"Content-Type: {part.file.media_type}", f"Content-ID: <{quote(part.id)}>"]
        if part.location:
            lines.append(f"Content-Location: {part.location}")
        yield "\r\n".join([*lines, "", ""]).encode("ascii")
        if not part.location:
            path = part.file.path
            yield from _archive(path) if part.file.is_folder else _read(path)
        yield b"\r\n"
    yield f"--{boundary}--\r\n".encode("ascii")


def _read(path: Path) -> Iterator[bytes]:
    with open_regular_file(path, follow_links=False) as stream:
        yield from pieces(stream, _CHUNK)


def _archive(folder: Path) -> Iterator[bytes]:
    """Yield a ZIP archive of the regular files of a folder; links may lead out of it and are left out."""
    paths = (path for path in sorted(folder.rglob("*")) if path.is_file() and not path.is_symlink())
    return zip_stream((path.relative_to(folder).as_posix(), path) for path in paths)
