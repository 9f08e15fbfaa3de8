"""Health of the service at GitLab's addresses, and metrics.

Source: https://docs.gitlab.com/administration/monitoring/health_check/
"""

from __future__ import annotations

import shutil
from collections.abc import Callable

import sqlalchemy as sa
from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse, PlainTextResponse
from prometheus_client import CONTENT_TYPE_LATEST

from generator.service.context import Context, context

router = APIRouter()
_LEAST_SPACE = 64 << 20
"""Bytes without which a job may not be able to write its log."""


@router.get("/-/health")
def health(request: Request) -> Response:
    """Return 200 if the service can take pipelines, else 503."""
    wrong = any(_problem(check, context(request)) for check in _checks.values())
    return PlainTextResponse("unavailable" if wrong else "GitLab OK", status_code=503 if wrong else 200)


@router.get("/-/liveness")
def liveness() -> Response:
    """Return 200: the service answers, even if it cannot take pipelines."""
    return JSONResponse({"status": "ok"})


@router.get("/-/readiness")
def readiness(request: Request) -> Response:
    """Check the database, the data folder and the job queue; return 200, or 503 if one of them fails."""
    problems = {name: _problem(check, context(request)) for name, check in _checks.items()}
    failed = any(problems.values())
    shown = {name: [_check_entity(problem)] for name, problem in problems.items()}
    return JSONResponse({"status": "failed" if failed else "ok", **shown}, status_code=503 if failed else 200)


@router.get("/metrics")
@router.get("/-/metrics")
def metrics(request: Request) -> Response:
    """Return the metrics for Prometheus."""
    here = context(request)
    here.access.require_reader(request)
    pipelines, jobs = here.pipelines.count_by_status()
    here.metrics.set_storage(here.keeper)
    text = here.metrics.text(
        pipelines=pipelines,
        jobs=jobs,
        deliveries=here.hooks.count_deliveries(),
        concurrent=here.scheduler.concurrent,
        disk_free=shutil.disk_usage(here.data.path).free,
    )
    return Response(text, media_type=CONTENT_TYPE_LATEST)


def _check_entity(problem: str) -> dict[str, str]:
    return {"status": "failed", "message": problem} if problem else {"status": "ok"}


def _problem(check: Callable[[Context], str], here: Context) -> str:
    """Return the problem that a check finds, without details that only operators may see; empty if it passes."""
    try:
        return check(here)
    except sa.exc.SQLAlchemyError:
        return "the database is unavailable"
    except OSError:
        return "the data folder is unavailable"


def _check_database(here: Context) -> str:
    with here.pipelines.database.connection() as connection:
        connection.execute(sa.select(1))
    return ""


def _check_disk(here: Context) -> str:
    return "the disk is full" if shutil.disk_usage(here.data.path).free < _LEAST_SPACE else ""


def _check_queue(here: Context) -> str:
    return "" if here.scheduler.is_alive else "the job queue has stopped"


_checks: dict[str, Callable[[Context], str]] = {
    "db_check": _check_database,
    "disk_check": _check_disk,
    "queue_check": _check_queue,
}
