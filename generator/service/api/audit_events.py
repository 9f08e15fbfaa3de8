"""The audit log for programs (https://docs.gitlab.com/api/audit_events/)."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse

from generator.service.api.descriptions import PAGES, queried
from generator.service.api.paging import page_of
from generator.service.api.parameters import time_of
from generator.service.context import context
from generator.service.http_errors import raise_not_found
from generator.service.store import audit
from generator.service.store.audit_tables import audit_events
from generator.service.store.database import Row, row

router = APIRouter(prefix="/api/v4/projects/{project:int}/audit_events")
_LARGEST = 2**31 - 1


@router.get("", openapi_extra=queried("created_after", "created_before", *PAGES))
def events_list(request: Request) -> Response:
    """List the events of the audit log, newest first."""
    here = context(request)
    here.access.require_admin(request)
    page = page_of(request)
    statement = audit.listed(after=time_of(request, "created_after"), before=time_of(request, "created_before"))
    total, found = here.pipelines.count_and_page(statement, limit=page.size, offset=page.offset)
    shown = [event_entity(one, here.project.id, here.project.path) for one in found]
    return JSONResponse(shown, headers=page.headers(request, here.base(request), total))


@router.get("/{event:int}")
def show(request: Request, event: int) -> Response:
    """Return one event."""
    here = context(request)
    here.access.require_admin(request)
    with here.pipelines.database.connection() as connection:
        statement = audit.listed().where(audit_events.c.id == event)
        found = row(connection, statement) if event <= _LARGEST else None
    if found is None:
        raise_not_found()
    return JSONResponse(event_entity(found, here.project.id, here.project.path))


def event_entity(event: Row, project: int | None = None, path: str | None = None) -> dict[str, Any]:
    """Return an event in GitLab's shape."""
    kind = audit.Event(event["event"])
    time = datetime.fromtimestamp(event["created_at"], tz=timezone.utc).isoformat(timespec="milliseconds")
    return {
        "id": event["id"],
        "author_id": event["author_id"],
        "entity_id": project,
        "entity_type": "Project",
        "event_name": kind.value,
        "details": {
            "author_name": event["author_name"],
            "author_class": "User" if event["author_id"] else "packmill",
            "target_type": kind.value.partition("_")[0],
            "target_details": event["target"],
            "custom_message": kind.sentence,
            "ip_address": event["address"] or None,
            "entity_path": path,
        },
        "created_at": time.replace("+00:00", "Z"),
    }
