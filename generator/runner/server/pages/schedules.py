"""The page of schedules: what runs when, and buttons to pause, resume and delete."""

from __future__ import annotations

from fastapi import Request, Response
from fastapi.responses import RedirectResponse

from generator.runner.server.context import context_of
from generator.runner.server.pages.negotiation import page_router
from generator.runner.server.pages.rendering import page
from generator.runner.server.schedules.editing import ScheduleChange, change_schedule, delete_schedule, list_schedules

router = page_router()


@router.get("/schedules")
async def show_schedules(request: Request) -> Response:
    """Show the schedules with their next times and last runs."""
    context = context_of(request)
    identity = context.access.require(request, "read")
    return page(request, "schedules.html", identity=identity, schedules=await list_schedules(context, identity))


@router.post("/schedules/{schedule_id}/pause")
async def pause(request: Request, schedule_id: str) -> Response:
    """Pause a schedule."""
    return await _set_paused(request, schedule_id, paused=True)


@router.post("/schedules/{schedule_id}/resume")
async def resume(request: Request, schedule_id: str) -> Response:
    """Resume a schedule."""
    return await _set_paused(request, schedule_id, paused=False)


@router.post("/schedules/{schedule_id}/delete")
async def delete(request: Request, schedule_id: str) -> Response:
    """Delete a schedule; its runs stay."""
    context = context_of(request)
    await delete_schedule(context, schedule_id, context.access.require(request, "run"))
    return _back(request)


async def _set_paused(request: Request, schedule_id: str, *, paused: bool) -> Response:
    context = context_of(request)
    identity = context.access.require(request, "run")
    await change_schedule(context, schedule_id, ScheduleChange(paused=paused), identity)
    return _back(request)


def _back(request: Request) -> Response:
    return RedirectResponse(context_of(request).address("/schedules"), status_code=303)
