"""The variable ``REQUEST`` of a handler: the request as a JSON text."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote_to_bytes

from python_multipart.multipart import parse_options_header
from starlette.concurrency import run_in_threadpool

from generator.runner.server.problems import ProblemError
from generator.runner.server.values.caller_files import Upload
from generator.runner.server.values.multipart import Part, read_parts

_FORM, _MULTIPART, _JSON = b"application/x-www-form-urlencoded", b"multipart/form-data", b"application/json"
_MOST_FIELDS = 10_000
_TOKEN = re.compile(rb"(?:^|&)token=([^&]{0,4096})(?=&|$)")
CheckToken = Callable[[Sequence[str]], None]
"""A check of the values of a form's field ``token``."""
Fields = dict[str, list[str]]


async def read_request(
    chunks: AsyncIterator[bytes],
    headers: Iterable[tuple[bytes, bytes]],
    query: bytes,
    *,
    uploads: Path,
    largest_body: int,
    largest_upload: int,
    path: Mapping[str, str],
    check_token: CheckToken | None = None,
) -> str:
    """Read a request's body, and return the text of ``REQUEST``, with the parameters of the path.

    Files of a form are written to ``uploads``; ``files`` has their paths, and is absent without any. ``check_token`` is
    called for a form that must have a token, before its other fields are decoded, which takes seconds for a large one.

    Raises:
        ProblemError: 400, the body does not have the form of its type; 413, it is too large; that of ``check_token``.
    """
    pairs = list(headers)
    kind, options = parse_options_header(next((value for name, value in pairs if name == b"content-type"), b""))
    files: dict[str, list[dict[str, Any]]] = {}
    if kind == _MULTIPART:
        if not options.get(b"boundary"):
            raise ProblemError(400, "Invalid body: Invalid multipart/form-data: multipart boundary not found")
        parts = await read_parts(chunks, options[b"boundary"], uploads, texts=largest_body, limit=largest_upload)
        fields, files = _split(parts)
        if check_token:
            check_token(fields.get("token", ()))
        body = json.dumps(fields)
    else:
        data = await _read(chunks, largest_body)
        if check_token:
            check_token([_decode_token(value) for value in _TOKEN.findall(data)[-1:]])
        body = await run_in_threadpool(_body_text, data, kind)
    rest = {"args": _fields(query.decode("latin-1")), "path": dict(path), "headers": _headers(pairs)}
    return f'{{"body": {body}, {json.dumps({**rest, "files": files} if files else rest)[1:]}'


async def _read(chunks: AsyncIterator[bytes], largest: int) -> bytes:
    data = bytearray()
    is_too_large = False
    async for chunk in chunks:
        is_too_large = is_too_large or len(data) + len(chunk) > largest
        if not is_too_large:  # the rest is read and dropped: clients read no answer before they have sent all
            data += chunk
    if is_too_large:
        raise ProblemError(413, f"the body has more than {largest} bytes; see --max-body")
    return bytes(data)


def _decode_token(value: bytes) -> str:
    return unquote_to_bytes(value.replace(b"+", b" ")).decode("utf-8", "replace")


def _body_text(data: bytes, kind: bytes) -> str:
    """Return JSON of a body; one that is not the JSON that it should be, or is nested too deeply, is a text."""
    try:
        text = data.decode()
    except UnicodeDecodeError:
        raise ProblemError(400, "the body is not text in UTF-8; send files as multipart/form-data") from None
    if kind == _FORM:
        return json.dumps(_fields(text))
    if kind == _JSON:
        with suppress(ValueError, RecursionError):
            return json.dumps(json.loads(text))
    return json.dumps(text)


def _fields(text: str) -> Fields:
    """Parse a query or a form; repeated names have several values."""
    try:
        return parse_qs(text, keep_blank_values=True, max_num_fields=_MOST_FIELDS)
    except ValueError:
        raise ProblemError(400, f"more than {_MOST_FIELDS} fields") from None


def _split(parts: Iterable[Part]) -> tuple[Fields, dict[str, list[dict[str, Any]]]]:
    fields: Fields = {}
    files: dict[str, list[dict[str, Any]]] = {}
    for part in parts:
        if isinstance(part.value, Upload):
            path = part.value.path
            file = {"filename": str(path.relative_to(part.folder)), "path": str(path), "size": path.stat().st_size}
            files.setdefault(part.name, []).append(file)
        else:
            fields.setdefault(part.name, []).append(part.value)
    return fields, files


def _headers(pairs: Iterable[tuple[bytes, bytes]]) -> dict[str, Any]:
    """Return headers by names as the Kernel Gateway writes them, such as ``X-Request-Id``; lists for repeated ones."""
    headers: dict[str, Any] = {}
    for raw, value in pairs:
        name = "-".join(word.capitalize() for word in raw.decode("latin-1").split("-"))
        text = value.decode("latin-1")
        if name not in headers:
            headers[name] = text
        elif isinstance(headers[name], list):
            headers[name].append(text)
        else:
            headers[name] = [headers[name], text]
    return headers
