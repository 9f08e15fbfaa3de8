"""One schedule: a notebook, its values, and when it runs."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

_TIME_PARAMETERS, _VALUES = "time_parameters", "values"


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
    """`run_options` and, under names that no such option has, `time_parameters` and `values`."""
    created: datetime
    due: datetime | None = None
    """The next time; None while paused, or if the expression has no further time."""
    problem: str | None = None
    """Why the last due run could not start."""
    paused: bool = False

    @property
    def run_options(self) -> dict[str, Any]:
        """Options of its runs, as `generator.runner.server.runs.model.NewRun` has them."""
        return {name: value for name, value in self.options.items() if name not in (_TIME_PARAMETERS, _VALUES)}

    @property
    def time_parameters(self) -> dict[str, str]:
        """Formats of the time, by the parameters that get it."""
        return dict(self.options.get(_TIME_PARAMETERS, {}))

    @property
    def values(self) -> str:
        """The version of its values: each change has a file of its own, so that a row and its values change at once."""
        return str(self.options.get(_VALUES, ""))

    def with_values(self, version: str) -> Schedule:
        """Return the schedule with another version of its values."""
        return replace(self, options={**self.options, _VALUES: version})


def schedule_options(
    run_options: Mapping[str, Any], time_parameters: Mapping[str, str], *, values: str
) -> dict[str, Any]:
    """Return the options of a schedule (`Schedule.options`)."""
    times = {_TIME_PARAMETERS: dict(time_parameters)} if time_parameters else {}
    return {**run_options, **times, **({_VALUES: values} if values else {})}


def new_schedule_id() -> str:
    """Return an id of 16 hexadecimal digits."""
    return secrets.token_hex(8)
