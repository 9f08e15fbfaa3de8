"""The page of the API: Swagger UI on the OpenAPI documents of the server, of its notebooks and of OGC processes.

Swagger UI comes with the package fastapi-swagger: the smallest one that has the current release and nothing else. So
the page needs no other server. Only the package's files are used.
"""

from __future__ import annotations

from urllib.parse import quote

from fastapi import APIRouter, Request, Response
from starlette.concurrency import run_in_threadpool

from generator.runner.server.context import context_of
from generator.runner.server.pages.rendering import page, static_file

_LISTED = 200
router = APIRouter(include_in_schema=False)
_OTHERS = {"": "/openapi.json", "ogc": "/ogc/api"}
"""The documents that are not of a notebook."""


@router.get("/docs")
async def show_api(request: Request, notebook: str = "") -> Response:
    """Show the API of the server, or of a notebook."""
    context = context_of(request)
    identity = context.access.require(request, "read")
    notebooks = await run_in_threadpool(context.catalogue.all)
    document = _OTHERS.get(notebook) or f"/notebooks/{quote(context.catalogue.get(notebook).path)}/openapi.json"
    return page(
        request,
        "docs.html",
        identity=identity,
        notebooks=_listed([one.path for one in notebooks if one.error is None], notebook),
        chosen=notebook,
        document=document,
        can_show=static_file("swagger-ui-bundle.js") is not None,
    )


def _listed(paths: list[str], chosen: str) -> list[str]:
    """Return the notebooks to choose from, with the chosen one; a longer list would be of no use."""
    return [path for number, path in enumerate(paths) if number < _LISTED or path == chosen]
