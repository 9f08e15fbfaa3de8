"""Health and metrics of the server."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, PlainTextResponse, Response
from prometheus_client import CONTENT_TYPE_LATEST

from generator.runner.server.api.models import document
from generator.runner.server.context import Context, context_of
from generator.runner.server.operation.health import examine, take_snapshot
from generator.runner.server.problems import ProblemError

router = APIRouter(tags=["server"])
_unavailable: dict[int | str, dict[str, Any]] = {503: document("application/json")}


@router.get("/health", responses=_unavailable)
async def show_health(request: Request) -> Response:
    """Tell whether the server can take runs: 200 or 503; to callers who may read, also why, with figures."""
    status, details = await read_health(request)
    return JSONResponse({"status": "ok" if status == 200 else "unavailable", **details}, status)


@router.get("/health/live")
async def show_life() -> Response:
    """Tell that the server answers: 200, also while it cannot take runs."""
    return JSONResponse({"status": "ok"})


@router.get("/metrics", response_class=PlainTextResponse)
async def show_metrics(request: Request) -> Response:
    """Return the metrics for Prometheus."""
    context = context_of(request)
    if context.access.require(request, "read").owner is not None:
        raise ProblemError(403, "the token's role is 'run', but 'read' is needed")
    text = context.metrics.text(await take_snapshot(context))
    return Response(text, media_type=CONTENT_TYPE_LATEST)


async def read_health(request: Request) -> tuple[int, dict[str, object]]:
    """Return the status of the server's health; for a caller who may read, also problems and figures."""
    context = context_of(request)
    health = await examine(context)
    if not _may_read(request, context):
        return health.status, {}
    return health.status, {"problems": list(health.problems), **health.details}


def _may_read(request: Request, context: Context) -> bool:
    try:
        return context.access.identify(request) is not None
    except ProblemError:
        return False
