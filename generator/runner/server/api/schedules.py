"""Schedules as resources: create, list, change, delete."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Request
from fastapi.responses import Response
from pydantic import BaseModel, ValidationError

from generator.runner.server.api.entities import run_entity
from generator.runner.server.api.schedule_models import NewSchedule, ScheduleEntity, ScheduleList, ScheduleSettings
from generator.runner.server.context import Context, context_of
from generator.runner.server.json_responses import JsonResponse
from generator.runner.server.problems import ProblemError
from generator.runner.server.schedules.editing import (
    ScheduleChange,
    ScheduleView,
    change_schedule,
    create_schedule,
    delete_schedule,
    list_schedules,
    show_schedule,
)
from generator.runner.server.values.bodies import parse_body, read_bytes
from generator.runner.server.values.strict_json import read_json_object

router = APIRouter(tags=["schedules"])


def _body(model: type[BaseModel]) -> dict[str, Any]:
    """Return the documentation of a request's body."""
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": model.model_json_schema()}}}}


@router.get("/schedules", responses={200: {"model": ScheduleList}})
async def list_all(request: Request) -> Response:
    """List the schedules, with their next times and last runs."""
    context = context_of(request)
    identity = context.access.require(request, "read")
    return JsonResponse({"schedules": [_entity(context, view) for view in await list_schedules(context, identity)]})


@router.post(
    "/schedules", status_code=201, responses={201: {"model": ScheduleEntity}}, openapi_extra=_body(NewSchedule)
)
async def create(request: Request) -> Response:
    """Create a schedule: 201 with its address."""
    context = context_of(request)
    identity = context.access.require(request, "run")
    change = await _read(NewSchedule, request, context)
    view = await create_schedule(context, change, identity)
    return JsonResponse(_entity(context, view), 201, {"Location": context.address(f"/schedules/{view.schedule.id}")})


@router.get("/schedules/{schedule_id}", responses={200: {"model": ScheduleEntity}})
async def show(request: Request, schedule_id: str) -> Response:
    """Return a schedule."""
    context = context_of(request)
    identity = context.access.require(request, "read")
    return JsonResponse(_entity(context, await show_schedule(context, schedule_id, identity)))


@router.patch(
    "/schedules/{schedule_id}",
    responses={200: {"model": ScheduleEntity}},
    openapi_extra=_body(ScheduleSettings),
)
async def change_one(request: Request, schedule_id: str) -> Response:
    """Change a schedule: pause or resume it, give it another time or other values."""
    context = context_of(request)
    identity = context.access.require(request, "run")
    change = await _read(ScheduleSettings, request, context)
    return JsonResponse(_entity(context, await change_schedule(context, schedule_id, change, identity)))


@router.delete("/schedules/{schedule_id}", status_code=204)
async def delete(request: Request, schedule_id: str) -> Response:
    """Delete a schedule: 204; its runs stay."""
    context = context_of(request)
    identity = context.access.require(request, "run")
    await delete_schedule(context, schedule_id, identity)
    return Response(status_code=204)


async def _read(kind: type[ScheduleSettings], request: Request, context: Context) -> ScheduleChange:
    """Read the body of a request.

    Raises:
        ProblemError: 400, with everything that does not fit; 413, the body is too large.
    """
    data = await read_bytes(request, context.limits.body, advice="")
    try:
        return kind.model_validate(await parse_body(read_json_object, data)).change()
    except ValidationError as error:
        issues = [f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors()]
        raise ProblemError(400, "the schedule is not valid", issues=issues) from None


def _entity(context: Context, view: ScheduleView) -> dict[str, Any]:
    schedule = view.schedule
    return {
        "id": schedule.id,
        "notebook": schedule.process,
        "title": schedule.title,
        "cron": schedule.cron,
        "time_zone": schedule.time_zone,
        "paused": schedule.paused,
        "time_parameters": schedule.time_parameters,
        "next": [_local(time, schedule.time_zone) for time in view.upcoming],
        "problem": schedule.problem,
        "owner": schedule.owner,
        "created": schedule.created.isoformat(timespec="milliseconds"),
        "runs": [run_entity(context, run) for run in view.runs],
        "links": {
            "self": context.address(f"/schedules/{schedule.id}"),
            "runs": context.address(f"/runs?schedule={schedule.id}"),
        },
    }


def _local(time: datetime, zone: str) -> str:
    return time.astimezone(ZoneInfo(zone)).isoformat()
