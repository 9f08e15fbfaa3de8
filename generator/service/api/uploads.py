"""Forms with one file: the file is on disk while it is read, and has a limit."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass

from fastapi import Request
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect

from generator.service.http_errors import HttpError, check_charset, check_declared_length


@dataclass(frozen=True, kw_only=True, slots=True)
class UploadForm:
    """The texts of a form by their names, and its file; None for a field in which no file was chosen."""

    texts: Mapping[str, str]
    file: UploadFile | None


async def read_upload_form(request: Request, *, largest: int) -> UploadForm:
    """Read a multipart form with at most one file; ``largest`` are the bytes of all.

    Raises:
        HttpError: 400 for an invalid body, 413 for one that is too large, 415 for one that is not in UTF-8.
    """
    if not request.headers.get("content-type", "").startswith("multipart/form-data"):
        raise HttpError(400, {"error": "the body must be a multipart form"})
    check_charset(request.headers)
    check_declared_length(request.headers, largest)
    try:
        form = await MultiPartParser(request.headers, _bounded(request, largest), max_files=1, max_fields=50).parse()
    except ClientDisconnect:
        raise HttpError(400, {"error": "the connection closed before the body was complete"}) from None
    except (MultiPartException, ValueError):
        raise HttpError(400, {"error": "invalid form data"}) from None
    texts = {name: value for name, value in form.multi_items() if isinstance(value, str)}
    files = [value for _, value in form.multi_items() if isinstance(value, UploadFile) and value.filename]
    return UploadForm(texts=texts, file=files[0] if files else None)


async def _bounded(request: Request, largest: int) -> AsyncGenerator[bytes, None]:
    length = 0
    async for chunk in request.stream():
        length += len(chunk)
        if length > largest:
            raise HttpError(413, {"message": "413 Payload Too Large"})
        yield chunk
