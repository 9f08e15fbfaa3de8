"""The page of a job: its log, followed live, and its artifacts, including images and executed notebooks."""

from __future__ import annotations

import json
import mimetypes
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse

from generator.service.api import artifacts
from generator.service.api.growing_file import growing_file_response
from generator.service.api.jobs import find_job
from generator.service.archives import Archive
from generator.service.context import context
from generator.service.http_errors import HttpError, raise_not_found
from generator.service.jobs.cell_progress import cell_progress
from generator.service.pages import log, previews
from generator.service.pages.failures import failed_sections, failure
from generator.service.pages.map_progress import JOB, read_progress
from generator.service.pages.map_report import report, report_key, result_table, result_tables
from generator.service.pages.rendering import hostile_policy, page
from generator.service.pages.sessions import session
from generator.service.pages.summaries import requested_variables
from generator.service.store import states
from generator.shared import contract

router = APIRouter(prefix="/jobs/{number:int}")
_CHUNK = 1 << 20
_MOST_FILES, _MOST_SHOWN, _MOST_SCRAPS = 500, 40, 200


@router.get("")
def job_page(request: Request, number: int) -> Response:
    """Show a job."""
    here, who = context(request), session(request)
    job = find_job(request, number)
    pipeline = here.pipelines.get(job["pipeline_id"])
    if pipeline is None:
        raise_not_found()
    archive = Archive(here.data.job(number).artifacts)
    sizes = archive.sizes()
    file = here.data.job(number).trace
    length = file.stat().st_size if file.is_file() else 0
    start = max(0, length - _CHUNK)
    chunk = _read_log(request, number, start)
    skipped = log.offset_of_last_lines(chunk)
    start += skipped
    lines, taken = log.lines(chunk[skipped:])
    failed = failed_sections(dict(job), lines)
    progress = read_progress(file, sizes) if job["name"] == JOB else None
    shown = result_table(sizes) if progress else sizes  # the report has what rows left
    tables = previews.tables(archive, shown)
    scraps, scraps_note = _read_scraps(archive, shown)
    return page(
        request,
        "job.html",
        who,
        job=job,
        pipeline=pipeline,
        requested=requested_variables(pipeline),
        lines=lines,
        failure=failure(dict(job), file),
        failed=failed,
        failed_section=max(failed, default=-1),
        next=start + taken,
        left_out=start,
        files=dict(list(sizes.items())[:_MOST_FILES]),
        more=max(0, len(sizes) - _MOST_FILES),
        pictures=previews.pictures(archive, shown),
        tables=tables,
        previews=previews.previews(shown, shown=tables),
        notebooks=[name for name in shown if name.endswith(".ipynb")][:_MOST_SHOWN],
        depth=log.depth(lines),
        scraps=scraps,
        scraps_note=scraps_note,
        unlisted=not archive.is_listed(),
        packages=archive.packages(),
        map=progress,
        report=report_key(request, number) if report in sizes else "",
        map_tables=[name for name in result_tables if name in sizes],
        over=job["status"] in states.finished,
        cells=None if job["status"] in states.finished else cell_progress(file),
    )


def _read_scraps(archive: Archive, sizes: Mapping[str, int]) -> tuple[dict[str, str], str]:
    """Return a notebook's scraps as text, from the first ``scraps.json``, or the reason why they are not shown."""
    name = next((name for name in sizes if name.rpartition("/")[2] == contract.scraps_file), None)
    if name is None:
        return {}, ""
    try:
        found: Any = json.loads(archive.read(name))
        if not isinstance(found, dict):
            return {}, f"{name} is not shown: it is not a JSON object"
        shown = list(found.items())[:_MOST_SCRAPS]
        return {str(key)[:200]: json.dumps(value, ensure_ascii=False)[:2000] for key, value in shown}, ""
    except HttpError:
        return {}, f"{name} is not shown: it is too large or damaged"
    except RecursionError:
        return {}, f"{name} is not shown: it is nested too deeply"
    except ValueError:
        return {}, f"{name} is not shown: it is not valid JSON or contains a number that is too long"


@router.get("/lines")
def lines(request: Request, number: int) -> Response:
    """Return the lines of the log from a byte offset, for the page's script."""
    session(request)
    job = find_job(request, number)
    text = request.query_params.get("start", "0")
    start = int(text) if text.isdecimal() and len(text) < 16 else 0
    found, taken = log.lines(_read_log(request, number, start))
    over = job["status"] in states.finished
    cells = None if over else cell_progress(context(request).data.job(number).trace)
    shown = {"cell": cells.cell, "total": cells.total} if cells else None
    answer = {"lines": found, "next": start + taken, "status": job["status"], "over": over and not taken}
    return JSONResponse({**answer, "cells": shown})


def _read_log(request: Request, number: int, start: int) -> bytes:
    try:
        with context(request).data.job(number).trace.open("rb") as file:
            file.seek(start)
            return file.read(_CHUNK)
    except FileNotFoundError:
        return b""


@router.get("/raw")
def raw(request: Request, number: int) -> Response:
    """Return the whole log as plain text."""
    session(request)
    find_job(request, number)
    trace = context(request).data.job(number).trace
    return growing_file_response(trace, request, {"Content-Security-Policy": hostile_policy})


@router.get("/artifacts")
def whole(request: Request, number: int) -> Response:
    """Return the job's artifacts as an archive."""
    session(request)
    find_job(request, number)
    return artifacts.archive(context(request).data.job(number).artifacts)


@router.get("/files/{path:path}")
def one_file(request: Request, number: int, path: str) -> Response:
    """Return an artifact: images are shown, other files are downloaded."""
    session(request)
    find_job(request, number)
    return artifact_response(context(request).data.job(number).artifacts, path)


def artifact_response(file: Path, path: str) -> Response:
    """Return a file of an archive: images are shown, other files are downloaded.

    Raises:
        HttpError: 404, the archive has no such file.
    """
    picture = path.lower().endswith(previews.picture_suffixes)
    kind = mimetypes.guess_type(path)[0] if picture else None
    response = artifacts.member(file, path, media_type=kind or "application/octet-stream")
    if picture:
        response.headers["Content-Disposition"] = "inline"
    response.headers["Content-Security-Policy"] = hostile_policy
    return response
