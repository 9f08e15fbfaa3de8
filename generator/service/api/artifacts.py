"""Artifacts of jobs, as an archive or file by file (https://docs.gitlab.com/api/job_artifacts/)."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO
from urllib.parse import quote

import sqlalchemy as sa
from fastapi import APIRouter, Request, Response
from fastapi.responses import StreamingResponse

from generator.service.api.downloads import file_response
from generator.service.api.jobs import find_job, job_response
from generator.service.archives import open_archive
from generator.service.context import context
from generator.service.http_errors import raise_bad_parameter, raise_not_found
from generator.service.store.audit import Event
from generator.service.store.database import jobs, pipelines, row
from generator.shared.damaged_archives import archive_errors

router = APIRouter(prefix="/api/v4/projects/{project:int}/jobs")
_CHUNK = 1 << 18


@router.get("/artifacts/{ref:path}/download")
def latest_archive(request: Request, ref: str, job: str | None = None) -> Response:
    """Return the artifacts of a job of the latest successful pipeline of a ref."""
    context(request).access.require_fetcher(request)
    return archive(_latest(request, ref, job))


@router.get("/artifacts/{ref:path}/raw/{path:path}")
def latest_file(request: Request, ref: str, path: str, job: str | None = None) -> Response:
    """Return one artifact of a job of the latest successful pipeline of a ref."""
    context(request).access.require_fetcher(request)
    return member(_latest(request, ref, job), path)


def _latest(request: Request, ref: str, name: str | None) -> Path:
    """Return the archive of the newest successful pipeline that ran a job, also of a job that was allowed to fail.

    Source: https://docs.gitlab.com/api/job_artifacts/#download-job-artifacts-by-reference-name

    Raises:
        HttpError: 400 without the name of a job, 404 without such a pipeline.
    """
    if not name:
        raise_bad_parameter("job is missing")
    here = context(request)
    statement = (
        sa.select(jobs.c.id)
        .join(pipelines, pipelines.c.id == jobs.c.pipeline_id)
        .where(pipelines.c.ref == ref, pipelines.c.status == "success")
        .where(jobs.c.name == name, jobs.c.status.in_(("success", "failed")), jobs.c.retried.is_(False))
        .order_by(pipelines.c.id.desc(), jobs.c.id.desc())
        .limit(1)
    )
    with here.pipelines.database.connection() as connection:
        found = row(connection, statement)
    if found is None:
        raise_not_found()
    return here.data.job(found["id"]).artifacts


@router.get("/{number:int}/artifacts")
def whole(request: Request, number: int) -> Response:
    """Return a job's artifacts."""
    here = context(request)
    here.access.require_fetcher(request)
    find_job(request, number)
    return archive(here.data.job(number).artifacts)


@router.post("/{number:int}/artifacts/keep")
def keep(request: Request, number: int) -> Response:
    """Keep a job's artifacts instead of removing them when they expire."""
    here = context(request)
    here.access.require_writer(request)
    find_job(request, number)
    if not here.pipelines.keep_artifacts(number):
        raise_not_found()
    return job_response(request, number)


@router.delete("/{number:int}/artifacts")
def delete(request: Request, number: int) -> Response:
    """Remove a job's artifacts; its log stays."""
    here = context(request)
    here.access.require_admin(request)
    find_job(request, number)
    gone, folder = {"artifacts_size": None, "artifacts_expire_at": None}, here.data.job(number)
    event = Event.ARTIFACTS_DELETED
    here.pipelines.update_job(number, gone, event=event, within=lambda *_: folder.remove_artifacts())
    return Response(status_code=204)


@router.get("/{number:int}/artifacts/{path:path}")
def one_file(request: Request, number: int, path: str) -> Response:
    """Return one file of a job's artifacts."""
    here = context(request)
    here.access.require_fetcher(request)
    find_job(request, number)
    return member(here.data.job(number).artifacts, path)


def archive(file: Path) -> Response:
    """Return an archive as a download.

    Raises:
        HttpError: 404, the archive does not exist or has expired.
    """
    return file_response(file, media_type="application/zip", filename="artifacts.zip")


def member(file: Path, path: str, *, media_type: str = "application/octet-stream") -> Response:
    """Return one file of an archive, as a download because its content is untrusted.

    Raises:
        HttpError: 404, the archive or the file in it does not exist or cannot be read.
    """
    try:
        packed = open_archive(file)
        info = packed.getinfo(path)
        content = packed.open(info)
    except archive_errors:
        raise_not_found()
    name = quote(path.rpartition("/")[2])
    headers = {
        "Content-Length": str(info.file_size),
        "Content-Disposition": f"attachment; filename*=UTF-8''{name}",
        "X-Content-Type-Options": "nosniff",
    }
    return StreamingResponse(_chunks(packed, content), media_type=media_type, headers=headers)


def _chunks(packed: zipfile.ZipFile, content: IO[bytes]) -> Iterator[bytes]:
    with packed, content:
        while chunk := content.read(_CHUNK):
            yield chunk
