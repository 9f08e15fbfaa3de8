"""The files that a run wrote: the list, each of them, and all as an archive."""

from __future__ import annotations

import base64

from fastapi import APIRouter, Request
from fastapi.responses import Response, StreamingResponse
from starlette.concurrency import run_in_threadpool

from generator.runner.server.api.models import OutputList, binary, document
from generator.runner.server.api.output_files import digests_of, file_media_type, outputs_of
from generator.runner.server.content_policy import hostile_headers
from generator.runner.server.context import find_run
from generator.runner.server.file_responses import file_response
from generator.runner.server.json_responses import JsonResponse
from generator.runner.server.problems import ProblemError
from generator.runner.server.runs.archive import zip_stream

router = APIRouter(tags=["runs"])


@router.get("/runs/{run_id}/outputs/", responses={200: {"model": OutputList}})
async def list_outputs(request: Request, run_id: str) -> Response:
    """List the files of a run with their sizes, digests and media types."""
    context, run = await find_run(request, run_id)
    return JsonResponse({"outputs": await run_in_threadpool(outputs_of, context, run.id)})


@router.get("/runs/{run_id}/outputs.zip", responses={200: binary("application/zip")})
async def archive_outputs(request: Request, run_id: str) -> Response:
    """Return all files of a run as a ZIP archive, which is made while it is sent."""
    context, run = await find_run(request, run_id)
    folder = context.folder(run.id)
    listed = [str(one["path"]) for one in await run_in_threadpool(outputs_of, context, run.id)]
    files = ((path, file) for path in listed if (file := folder.output_file(path)) is not None)
    headers = {"Content-Disposition": f'attachment; filename="{run.id}.zip"'}
    return StreamingResponse(zip_stream(files), media_type="application/zip", headers=headers)


@router.head("/runs/{run_id}/outputs/{path:path}", include_in_schema=False)
@router.get("/runs/{run_id}/outputs/{path:path}", responses={200: document("*/*", {})})
async def show_output(request: Request, run_id: str, path: str) -> Response:
    """Return a file of a run; ranges of bytes are supported (RFC 9110, section 14)."""
    context, run = await find_run(request, run_id)
    folder = context.folder(run.id)
    file = folder.output_file(path)
    if file is None:
        raise ProblemError(404, f"run {run_id}: no output {path!r}; GET /runs/{run_id}/outputs/ lists the files")
    kind = file_media_type(file.name)
    headers = hostile_headers(kind)
    if digest := (await run_in_threadpool(digests_of, folder)).get(path):
        headers["Repr-Digest"] = f"sha-256=:{base64.b64encode(bytes.fromhex(digest)).decode()}:"  # RFC 9530
    return file_response(file, media_type=kind, headers=headers)
