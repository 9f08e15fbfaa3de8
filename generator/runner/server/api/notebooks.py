"""The served notebooks: what they are called, what they take, and what they give."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

from generator.runner.server.catalogue import ServedNotebook
from generator.runner.server.context import context_of

router = APIRouter()


@router.get("/notebooks")
async def list_notebooks(request: Request) -> Response:
    """List the served notebooks."""
    context = context_of(request)
    context.access.require(request, "read")
    return JSONResponse({"notebooks": [_summary(one) for one in context.catalogue.all()]})


def _summary(one: ServedNotebook) -> dict[str, Any]:
    return {
        "path": one.path,
        "title": one.title,
        "language": one.language,
        "inputs": [one.id for one in one.interface.inputs],
        "outputs": [one.id for one in one.interface.outputs],
        "error": one.error,
    }
