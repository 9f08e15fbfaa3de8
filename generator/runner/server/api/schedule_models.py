"""What clients set of schedules, and what the API answers."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from generator.runner.server.api.models import RunEntity
from generator.runner.server.schedules.editing import ScheduleChange

_Text = Annotated[str, Field(max_length=4096)]


class ScheduleSettings(BaseModel):
    """What a client may set."""

    model_config = ConfigDict(extra="forbid", strict=True)

    notebook: _Text | None = None
    parameters: dict[str, Any] | None = None
    cron: _Text | None = None
    time_zone: _Text | None = None
    title: _Text | None = None
    paused: bool | None = None
    time_parameters: dict[str, str] | None = Field(
        None, description="formats such as '%Y-%m-%d' of a run's scheduled time, by the parameters that get it"
    )

    def change(self) -> ScheduleChange:
        """Return the change that the client asks for."""
        return ScheduleChange(**{name: getattr(self, name) for name in self.model_fields_set})


class NewSchedule(ScheduleSettings):
    """A new schedule."""

    notebook: _Text
    cron: _Text


class ScheduleEntity(BaseModel):
    """A schedule."""

    id: str
    notebook: str = Field(description="the notebook's path")
    title: str
    cron: str = Field(description="minute, hour, day of month, month, day of week")
    time_zone: str = Field(description="an IANA name")
    paused: bool
    time_parameters: dict[str, str] = Field(description="formats of the scheduled time, by parameter")
    next: list[datetime] = Field(description="the next times, in the time zone")
    problem: str | None = Field(description="why the last run could not start, or the next one is late")
    owner: str = Field(description="the name of the token; empty without tokens")
    created: datetime
    runs: list[RunEntity] = Field(description="the last runs, newest first")
    links: dict[str, str]


class ScheduleList(BaseModel):
    """Schedules, oldest first."""

    schedules: list[ScheduleEntity]
