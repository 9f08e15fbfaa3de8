"""One schedule: a notebook, its values, and when it runs."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

_TIME_PARAMETERS = "time_parameters"


@dataclass(frozen=True, kw_only=True, slots=True)
class Schedule:
    """A row; times are UTC. The values are in a file (`generator.runner.server.schedules.values`)."""

    id: str
    process: str
    """The notebook's path, posix, relative to the served folder."""
    cron: str
    """An expression of five fields."""
    time_zone: str = "UTC"
    """An IANA name."""
    title: str = ""
    owner: str = ""
    """The name of the token that made it; its runs belong to the same owner."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """`run_options` and, under a name that no such option has, `time_parameters`."""
    created: datetime
    due: datetime | None = None
    """The next time; None while paused, or if the expression has no further time."""
    problem: str | None = None
    """Why the last due run could not start."""
    paused: bool = False

    @property
    def run_options(self) -> dict[str, Any]:
        """Options of its runs, as `generator.runner.server.runs.model.NewRun` has them."""
        return {name: value for name, value in self.options.items() if name != _TIME_PARAMETERS}

    @property
    def time_parameters(self) -> dict[str, str]:
        """Formats of the time, by the parameters that get it."""
        return dict(self.options.get(_TIME_PARAMETERS, {}))


def schedule_options(run_options: Mapping[str, Any], time_parameters: Mapping[str, str]) -> dict[str, Any]:
    """Return the options of a schedule (`Schedule.options`)."""
    return {**run_options, **({_TIME_PARAMETERS: dict(time_parameters)} if time_parameters else {})}


def new_schedule_id() -> str:
    """Return an id of 16 hexadecimal digits."""
    return secrets.token_hex(8)
