"""The notebooks as processes: list and description."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from generator.notebook.ogc_description import ProcessSummary, process_description
from generator.runner.server.catalogue import ServedNotebook
from generator.runner.server.context import context_of
from generator.runner.server.ogc.addresses import Addresses, execute_relation, link, self_links
from generator.runner.server.ogc.errors import ExceptionRoute
from generator.runner.server.ogc.identifiers import find_process, process_id
from generator.runner.server.ogc.responses import respond

router = APIRouter(route_class=ExceptionRoute)
_MOST_LISTED = 1000
"""Entries of a page; a larger ``limit`` gets as many (18-062r2, "limit")."""


@router.get("/processes")
async def list_processes(
    request: Request,
    limit: Annotated[int, Query(ge=1)] = 10,
    offset: Annotated[int, Query(ge=0, le=10**9)] = 0,
) -> Response:
    """List processes, sorted by path; the link ``next`` has the following ones."""
    context = context_of(request)
    context.access.require(request, "read")
    to, limit = Addresses(request), min(limit, _MOST_LISTED)
    served = [one for one in context.catalogue.all() if one.error is None]
    links = self_links(to.processes, f"limit={limit}&offset={offset}")
    if offset + limit < len(served):
        links.append(link(f"{to.processes}?limit={limit}&offset={offset + limit}", "next", "next page"))
    if offset:
        links.append(link(f"{to.processes}?limit={limit}&offset={max(0, offset - limit)}", "prev", "previous page"))
    shown = served[offset : offset + limit]
    processes = [{**summary(one).to_dict(), "links": _summary_links(one, to)} for one in shown]
    return respond(request, {"processes": processes, "links": links}, title="Processes")


@router.get("/processes/{identifier:path}")
async def describe_process(request: Request, identifier: str) -> Response:
    """Describe a process."""
    context = context_of(request)
    context.access.require(request, "read")
    served = find_process(context.catalogue, identifier)
    to = Addresses(request)
    name = process_id(served.path)
    links = [
        *self_links(to.process(name)),
        link(to.execution(name), execute_relation, "execute the process"),
        link(to.form(served.path), "related", "form of the notebook", "text/html"),
        link(to.processes, "up", "processes"),
    ]
    description = process_description(summary(served), served.interface, with_files=True)
    return respond(request, {**description, "links": links}, title=served.title)


def summary(served: ServedNotebook) -> ProcessSummary:
    """Return the summary of a notebook's process."""
    return ProcessSummary(id=process_id(served.path), version=served.version, title=served.title)


def _summary_links(served: ServedNotebook, to: Addresses) -> list[dict[str, object]]:
    return [link(to.process(process_id(served.path)), "self", "process description")]
