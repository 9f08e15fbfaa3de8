"""Read the form of a run with its uploaded files."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import dataclass, field

from fastapi import Request
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect

from generator.service.api.parameters import read_parameters
from generator.service.http_errors import HttpError, check_charset

LARGEST = 256 << 20
"""Bytes of a form with all of its files."""
_MOST_FILES, _MOST_FIELDS, _LARGEST_FIELD = 50, 2000, 1 << 20


@dataclass(frozen=True, kw_only=True, slots=True)
class RunForm:
    """The texts of a form by the names of its controls, and its files by the IDs of their inputs."""

    texts: dict[str, str]
    files: dict[str, list[UploadFile]] = field(default_factory=dict)

    async def close(self) -> None:
        """Remove the temporary copies of the files."""
        for listed in self.files.values():
            for file in listed:
                await file.close()


async def read_run_form(request: Request) -> RunForm:
    """Read a form; files are kept in temporary files until it is closed.

    Raises:
        HttpError: 400, the form is invalid; 413, it is too large; 415, it is not in UTF-8.
    """
    if not request.headers.get("content-type", "").startswith("multipart/form-data"):
        return RunForm(texts={name: str(value) for name, value in (await read_parameters(request)).items()})
    check_charset(request.headers)
    length = request.headers.get("content-length", "")
    if length.isdecimal() and int(length) > LARGEST:
        raise _too_large()
    try:
        parser = MultiPartParser(
            request.headers,
            _limited(request),
            max_files=_MOST_FILES,
            max_fields=_MOST_FIELDS,
            max_part_size=_LARGEST_FIELD,
        )
        items = (await parser.parse()).multi_items()
    except (MultiPartException, ClientDisconnect, ValueError, KeyError):
        raise HttpError(400, {"message": "The form cannot be read. Reload the page and submit it again."}) from None
    form = RunForm(texts={name: value for name, value in items if isinstance(value, str)})
    for name, value in items:
        if isinstance(value, UploadFile) and value.filename and name.startswith("file-"):
            form.files.setdefault(name.removeprefix("file-"), []).append(value)
    return form


async def _limited(request: Request) -> AsyncGenerator[bytes, None]:
    read = 0
    async for chunk in request.stream():
        read += len(chunk)
        if read > LARGEST:
            raise _too_large()
        yield chunk


def _too_large() -> HttpError:
    text = f"The files are larger than {LARGEST >> 20} MiB. Give the address of a larger file instead."
    return HttpError(413, {"message": text})
