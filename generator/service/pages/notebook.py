"""The page of an executed notebook; its content may be hostile, so it is sandboxed and rendered by another process."""

from __future__ import annotations

import asyncio
from pathlib import Path
from urllib.parse import quote

from fastapi import APIRouter, Request, Response
from starlette.concurrency import run_in_threadpool

from generator.service.api.downloads import file_response
from generator.service.api.jobs import find_job
from generator.service.archives import Archive
from generator.service.context import context
from generator.service.http_errors import HttpError
from generator.service.notebooks.pages import BusyError, NotShown
from generator.service.pages.rendering import hostile_policy, note
from generator.service.pages.sessions import session
from generator.service.store.job_folders import JobFolder

router = APIRouter(prefix="/jobs/{number:int}/notebook")
_PATIENCE = 50.0
"""Seconds that a request waits for a page, without blocking a thread: less than the minute after which proxies give up.

A sandboxed frame cannot reload itself.
"""


@router.get("/{path:path}")
async def notebook(request: Request, number: int, path: str) -> Response:
    """Show an executed notebook in a sandboxed page."""
    folder, text = await run_in_threadpool(_read, request, number, path)
    if text is None:
        return not_shown(request, number, path, "This notebook is not shown: it is too large or damaged.")
    return await rendered(request, number, path, folder, text)


async def rendered(request: Request, number: int, path: str, folder: JobFolder, text: bytes) -> Response:
    """Render a notebook, or what was made one; ``path`` is the file in the artifacts."""
    here = context(request)
    try:
        rendering = await run_in_threadpool(here.notebooks.page, folder, text)
    except BusyError:
        return not_shown(
            request, number, path, "Other notebooks are being rendered. Reload this page in a moment.", 503
        )
    await asyncio.wait((asyncio.wrap_future(rendering),), timeout=_PATIENCE)
    if not rendering.done():
        return not_shown(request, number, path, "This file is being rendered. Reload this page in a moment.")
    found = rendering.result()
    if isinstance(found, NotShown):
        return not_shown(request, number, path, f"This file is not shown: {found.reason}.")
    return _page(found)


def _read(request: Request, number: int, path: str) -> tuple[JobFolder, bytes | None]:
    """Return the job's folder and the notebook, None for a notebook that is too large or damaged.

    Raises:
        HttpError: 404, the job or the file does not exist.
    """
    session(request)
    find_job(request, number)
    folder = context(request).data.job(number)
    archive = Archive(folder.artifacts)
    try:
        return folder, archive.read(path)
    except HttpError:
        if path in archive.sizes():
            return folder, None
        raise


def _page(file: Path) -> Response:
    headers = {"Content-Security-Policy": hostile_policy, "Referrer-Policy": "no-referrer"}
    return file_response(file, media_type="text/html; charset=utf-8", headers=headers)


def not_shown(request: Request, number: int, path: str, message: str, status: int = 200) -> Response:
    """Render a message in place of a file, with a link to it."""
    raw = f"/{context(request).project.path}/-/jobs/{number}/files/{quote(path, safe='/')}"
    return note(message, raw=raw, status=status)
