"""Convert schedules to the JSON objects of GitLab's API (https://docs.gitlab.com/api/pipeline_schedules/)."""

from __future__ import annotations

from typing import Any

from generator.service.api.entities import Entities
from generator.service.jobs.environment import iso
from generator.service.store.database import Row


def schedule_entity(schedule: Row, entities: Entities) -> dict[str, Any]:
    """Return a schedule as it appears in lists; ``problem`` is not GitLab's."""
    kept = ("id", "description", "ref", "cron", "cron_timezone", "active", "problem")
    times = ("next_run_at", "created_at", "updated_at")
    return {
        **{name: schedule[name] for name in kept},
        **{name: iso(schedule[name]) for name in times},
        "owner": entities.user(schedule["user"], schedule["user_id"]),
    }


def whole_schedule(schedule: Row, last: Row | None, entities: Entities, *, with_variables: bool) -> dict[str, Any]:
    """Return a schedule with its last pipeline and, for those who may change it, its variables."""
    shown = ("id", "sha", "ref", "status")
    return {
        **schedule_entity(schedule, entities),
        "last_pipeline": {name: last[name] for name in shown} if last else None,
        **({"variables": schedule["variables"]} if with_variables else {}),
    }
