"""Previews of a job's files as pages of their own, for frames without rights, and descriptions of arrays as JSON."""

from __future__ import annotations

import json

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse
from starlette.concurrency import run_in_threadpool

from generator.service.api import artifacts
from generator.service.api.jobs import find_job
from generator.service.archives import Archive
from generator.service.array_files import describe
from generator.service.context import context
from generator.service.http_errors import raise_not_found
from generator.service.pages import notebook, previews
from generator.service.pages.rendering import hostile_policy, text_page
from generator.service.pages.sessions import session
from generator.service.slow_requests import run_slowly
from generator.service.store.job_folders import JobFolder

router = APIRouter(prefix="/jobs/{number:int}")
_LARGEST_PAGE, _LARGEST_MARKDOWN, _TEXT = 50_000_000, 200_000, 500_000
"""Bytes of an HTML page and of Markdown that are shown, and of a text's beginning."""
_INDENTED = 2_000_000
"""Characters of JSON after it was indented."""


@router.get("/preview/{path:path}")
async def preview(request: Request, number: int, path: str) -> Response:
    """Show an HTML page as it is, Markdown with its formulas, and the beginning of another text."""
    folder, size = await run_in_threadpool(_find, request, number, path)
    suffix = path.rpartition(".")[2].lower()
    if previews.kind_of(path) == "page":
        if size > _LARGEST_PAGE:
            return notebook.not_shown(request, number, path, f"{path} is not shown: it is too large.")
        return await run_in_threadpool(_page, folder, path)
    text = await run_in_threadpool(_beginning, folder, path)
    if text is None:
        return notebook.not_shown(request, number, path, f"{path} is not shown: it is damaged, or not a text.")
    if suffix == "md" and size <= _LARGEST_MARKDOWN:
        return await notebook.rendered(request, number, path, folder, _as_notebook(text))
    return text_page(path, _indented(text) if suffix == "json" and size <= _TEXT else text, is_cut=size > _TEXT)


@router.get("/description/{path:path}")
async def description(request: Request, number: int, path: str) -> Response:
    """Return what arrays or a raster in the artifacts are about."""
    return await run_slowly(_description, request, number, path)


def _description(request: Request, number: int, path: str) -> Response:
    session(request)
    find_job(request, number)
    folder = context(request).data.job(number)
    names = Archive(folder.artifacts).sizes()
    if previews.kind_of(path) not in ("arrays", "geotiff") and not path.endswith(".zarr"):
        raise_not_found()
    if path not in names and not any(name.startswith(f"{path}/") for name in names):
        raise_not_found()
    return JSONResponse(describe(folder, path))


def _find(request: Request, number: int, path: str) -> tuple[JobFolder, int]:
    """Return the job's folder and the size of a file that has a preview in a frame.

    Raises:
        HttpError: 404, the job or the file does not exist, or it has no such preview.
    """
    session(request)
    find_job(request, number)
    folder = context(request).data.job(number)
    size = Archive(folder.artifacts).sizes().get(path)
    if size is None or previews.kind_of(path) not in ("page", "text"):
        raise_not_found()
    return folder, size


def _page(folder: JobFolder, path: str) -> Response:
    response = artifacts.member(folder.artifacts, path, media_type="text/html; charset=utf-8")
    response.headers["Content-Disposition"] = "inline"
    response.headers["Content-Security-Policy"] = hostile_policy
    response.headers["Referrer-Policy"] = "no-referrer"
    return response


def _beginning(folder: JobFolder, path: str) -> str | None:
    """Return the beginning of a text, None if it is binary or cannot be read."""
    data = next((data for _, data in Archive(folder.artifacts).beginnings((path,), _TEXT)), None)
    return None if data is None or b"\0" in data else data.decode("utf-8-sig", "replace")


def _indented(text: str) -> str:
    """Return JSON with a line for each value; as it is if it is invalid, or so deep that spaces would multiply it."""
    shown, left = list[str](), _INDENTED
    try:
        for part in json.JSONEncoder(indent=1, ensure_ascii=False).iterencode(json.loads(text)):
            shown.append(part)
            left -= len(part)
            if left < 0:
                return text
    except (ValueError, RecursionError):
        return text
    return "".join(shown)


def _as_notebook(text: str) -> bytes:
    """Return Markdown as a notebook, which the process that renders notebooks takes."""
    cell = {"cell_type": "markdown", "metadata": {}, "source": text}
    return json.dumps({"cells": [cell], "metadata": {}, "nbformat": 4, "nbformat_minor": 4}).encode()
