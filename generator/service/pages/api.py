"""The page of the API: Swagger UI on the OpenAPI document of the service."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse

from generator.service.api.descriptions import openapi_document
from generator.service.pages.rendering import page
from generator.service.pages.sessions import session

router = APIRouter(include_in_schema=False)
DOCUMENT = "/-/openapi.json"


@router.get("/-/api")
def api_page(request: Request) -> Response:
    """Show the API."""
    return page(request, "api.html", session(request), document=DOCUMENT)


@router.get(DOCUMENT)
def document(request: Request) -> Response:
    """Return the OpenAPI document, which holds nothing of the project and needs no token."""
    return JSONResponse(openapi_document(request.app))
