"""What is served: the interface, its state, and the notebooks of the home."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response
from starlette.concurrency import run_in_threadpool

from generator.runner.server.api.operation import read_health
from generator.runner.server.context import Context, context_of
from generator.runner.server.home_api.models import HealthEntity, HomeEntity, HomeNotebooks
from generator.runner.server.home_api.notebooks import check_user
from generator.runner.server.home_api.papermill import papermill_state
from generator.runner.server.home_api.times import file_time
from generator.runner.server.json_responses import JsonResponse

router = APIRouter(tags=["JupyterHub home"])


@router.get("/", responses={200: {"model": HomeEntity}})
async def describe(request: Request) -> Response:
    """Describe the interface; browsers get the page of the notebooks."""
    context = context_of(request)
    context.access.require(request, "read")
    addresses = {
        "health": "/health",
        "list_notebooks": f"/list-notebooks/{context.home_of}",
        "execute": "/execute",
        "run_notebook": "/run-notebook",
        "schedules": "/schedules",
        "docs": "/docs",
    }
    return JsonResponse(
        {
            "service": "packmill-runner",
            "username": context.home_of,
            "user_home": str(context.home),
            "endpoints": {name: context.address(path) for name, path in addresses.items()},
        }
    )


@router.get("/health", responses={200: {"model": HealthEntity}, 503: {"model": HealthEntity}})
async def show_health(request: Request) -> Response:
    """Tell whether notebooks can run: 200 or 503; to callers who may read, also why, with figures."""
    status, details = await read_health(request)
    body = {**details, "status": "healthy" if status == 200 else "unhealthy", **papermill_state()}
    return JsonResponse(body, status)


@router.get("/list-notebooks/{username}", responses={200: {"model": HomeNotebooks}})
async def list_notebooks(request: Request, username: str) -> Response:
    """List the notebooks of the home, except those in hidden folders and in environments."""
    context = context_of(request)
    context.access.require(request, "read")
    check_user(context, username)
    notebooks = await run_in_threadpool(_notebooks, context)
    return JsonResponse(
        {
            "username": context.home_of,
            "user_home": str(context.home),
            "notebook_count": len(notebooks),
            "notebooks": notebooks,
        }
    )


def _notebooks(context: Context) -> list[dict[str, Any]]:
    listed = []
    for path, file in context.catalogue.files():
        try:
            status = file.stat()
        except OSError:  # removed meanwhile
            continue
        listed.append(
            {
                "name": path.rpartition("/")[2],
                "path": str(context.home / path),
                "relative_path": path,
                "size": status.st_size,
                "modified": file_time(status.st_mtime),
            }
        )
    return listed
