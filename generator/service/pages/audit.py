"""The page of the audit log, for administrators."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from generator.service.api.paging import page_of
from generator.service.context import context
from generator.service.pages.rendering import page
from generator.service.pages.sessions import require_admin
from generator.service.store import audit

router = APIRouter()


@router.get("/audit")
def audit_page(request: Request) -> Response:
    """Show the events, newest first."""
    here, who, chosen = context(request), require_admin(request), page_of(request)
    total, found = here.pipelines.count_and_page(audit.listed(), limit=chosen.size, offset=chosen.offset)
    events = [{**one, "sentence": audit.Event(one["event"]).sentence} for one in found]
    return page(request, "audit.html", who, events=events, number=chosen.number, last=max(1, -(-total // chosen.size)))
