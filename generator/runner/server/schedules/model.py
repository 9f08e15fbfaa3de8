"""One schedule: a notebook, its values, and when it runs."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any


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
    """Options of its runs, as `generator.runner.server.runs.model.NewRun` has them."""
    created: datetime
    due: datetime | None = None
    """The next time; None while paused, or if the expression has no further time."""
    problem: str | None = None
    """Why the last due run could not start."""
    paused: bool = False


def new_schedule_id() -> str:
    """Return an id of 16 hexadecimal digits."""
    return secrets.token_hex(8)
