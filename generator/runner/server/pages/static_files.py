"""Styles, scripts and pictures of the pages."""

from __future__ import annotations

from fastapi import APIRouter, Response

from generator.runner.server.file_responses import file_response
from generator.runner.server.pages.rendering import static_file
from generator.runner.server.problems import ProblemError

router = APIRouter(include_in_schema=False)
_YEAR = "public, max-age=31536000, immutable"


@router.get("/static/{name}")
def static(name: str) -> Response:
    """Serve a file; its address changes with its content, so browsers may keep it."""
    file = static_file(name)
    if file is None:
        raise ProblemError(404, f"/static/{name}: not found")
    return file_response(file, headers={"Cache-Control": _YEAR})
