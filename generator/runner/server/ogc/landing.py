"""Landing page, conformance classes and API definition."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response

from generator.runner.server.context import context_of
from generator.runner.server.ogc.addresses import (
    Addresses,
    conformance_relation,
    jobs_relation,
    link,
    processes_relation,
    self_links,
)
from generator.runner.server.ogc.definition import api_definition, definition_media_type
from generator.runner.server.ogc.errors import ExceptionRoute
from generator.runner.server.ogc.responses import json_response, respond, wants_page

router = APIRouter(route_class=ExceptionRoute)
_TITLE = "Notebooks as processes"
_CLASSES = "http://www.opengis.net/spec/ogcapi-processes-1/1.0/conf/"
conformance_classes = tuple(
    f"{_CLASSES}{name}" for name in ("core", "ogc-process-description", "json", "html", "oas30", "job-list", "dismiss")
)
"""The requirements classes of the standard that the server implements; callbacks are the only one that it does not."""


@router.get("/")
async def show_landing_page(request: Request) -> Response:
    """Return the landing page."""
    context_of(request).access.require(request, "read")
    to = Addresses(request)
    links = [
        *self_links(to.landing),
        link(to.definition, "service-desc", "API definition", definition_media_type),
        link(to.documentation, "service-doc", "API documentation", "text/html"),
        link(to.conformance, conformance_relation, "conformance classes"),
        link(to.conformance, "conformance", "conformance classes"),
        link(to.processes, processes_relation, "processes"),
        link(to.jobs, jobs_relation, "jobs"),
    ]
    description = "The notebooks of this server as processes of OGC API - Processes, and their runs as jobs."
    return respond(request, {"title": _TITLE, "description": description, "links": links}, title=_TITLE)


@router.get("/conformance")
async def show_conformance(request: Request) -> Response:
    """Return the conformance classes."""
    context_of(request).access.require(request, "read")
    return respond(request, {"conformsTo": list(conformance_classes)}, title="Conformance classes")


@router.get("/api", responses={200: {"content": {definition_media_type: {"schema": {"type": "object"}}}}})
async def show_definition(request: Request) -> Response:
    """Return the API definition (OpenAPI 3.0); browsers get its page."""
    context_of(request).access.require(request, "read")
    if wants_page(request):
        return RedirectResponse(Addresses(request).documentation, 303)
    document = api_definition(Addresses(request).landing.rstrip("/"))
    return json_response(document, kind=definition_media_type)
