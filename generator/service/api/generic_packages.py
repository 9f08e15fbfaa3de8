"""Files uploaded for jobs, as GitLab's generic packages (https://docs.gitlab.com/user/packages/generic_packages/)."""

from __future__ import annotations

import hashlib
from pathlib import Path

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect

from generator.service.access import client_address
from generator.service.api.downloads import file_response
from generator.service.context import context
from generator.service.http_errors import HttpError, check_declared_length, raise_forbidden, raise_unauthorized
from generator.service.store import tokens
from generator.service.store.audit import Event, record
from generator.service.store.tokens import Identity
from generator.service.store.uploads import BadNameError, NotOwnerError
from generator.shared import durable_files
from generator.shared.passing_errors import is_full_disk

largest = 100 << 20
"""Bytes of a file."""
_BINARY = {"schema": {"type": "string", "format": "binary"}}
_BODY = {"requestBody": {"required": True, "content": {"application/octet-stream": _BINARY}}}
router = APIRouter(prefix="/api/v4/projects/{project:int}/packages/generic/{package}/{version}/{file}")


@router.put("", openapi_extra=_BODY)
async def upload(request: Request, package: str, version: str, file: str) -> Response:
    """Store a file; its owner and the role ``admin`` may replace one with the same names."""
    user = await run_in_threadpool(context(request).access.require_writer, request)
    path = _path(request, package, version, file)
    check_declared_length(request.headers, largest)
    if problem := await run_in_threadpool(context(request).keeper.problem):
        raise HttpError(507, {"message": problem})
    is_new = False
    try:
        with context(request).data.uploads.writing(path) as target:
            length, digest = 0, hashlib.sha256()
            async for chunk in request.stream():
                length += len(chunk)
                if length > largest:
                    raise HttpError(413, {"message": "413 Payload Too Large"})
                digest.update(chunk)
                await run_in_threadpool(target.write, chunk)
            await run_in_threadpool(durable_files.flush, target)
            is_new = await run_in_threadpool(_note_upload, request, user, path, digest.hexdigest())
    except ClientDisconnect:
        raise HttpError(400, {"error": "the connection closed before the body was complete"}) from None
    except OSError as error:
        if is_new:  # the file did not get its name
            await run_in_threadpool(_release, request, path)
        if not is_full_disk(error):
            raise
        raise HttpError(507, {"message": "507 Insufficient Storage"}) from None
    context(request).keeper.note_change()
    return JSONResponse({"message": "201 Created"}, status_code=201)


@router.get("")
@router.head("", include_in_schema=False)
def download(request: Request, package: str, version: str, file: str) -> Response:
    """Return a file."""
    context(request).access.require_fetcher(request)
    path = _path(request, package, version, file)
    context(request).data.uploads.note_use(f"{package}/{version}/{file}", table_only=True)
    return file_response(path, media_type="application/octet-stream", filename=file)


def _note_upload(request: Request, user: Identity, path: Path, sha256: str) -> bool:
    """Add the upload to the audit log, before the file gets its name: no file is there without an event.

    Return whether the place is new.

    Raises:
        HttpError: 400, the content is not that of its name; 401, the token was revoked while the file arrived; 403, the
            file is another token's.
    """
    here, author = context(request), user.author(client_address(request))
    uploads = here.data.uploads
    now = tokens.find_by_number(here.pipelines.database, user.id)
    if now is None or not now.may_write:
        raise_unauthorized()
    try:
        uploads.check_content(path, sha256)
        with here.pipelines.database.transaction() as connection:
            is_new = uploads.claim(connection, path, user)
            record(connection, Event.FILE_UPLOADED, uploads.place(path), author=author)
    except BadNameError as error:
        raise HttpError(400, {"error": str(error)}) from None
    except NotOwnerError:
        raise_forbidden("The file is another token's")
    return is_new


def _release(request: Request, path: Path) -> None:
    here = context(request)
    with here.pipelines.database.transaction() as connection:
        here.data.uploads.release(connection, path)


def _path(request: Request, package: str, version: str, file: str) -> Path:
    try:
        return context(request).data.uploads.path(package, version, file)
    except BadNameError as error:
        raise HttpError(400, {"error": str(error)}) from None
