"""The columns of a schedule, which all databases share."""

from __future__ import annotations

from dataclasses import fields

from generator.runner.server.schedules.model import Schedule

NAMES = tuple(one.name for one in fields(Schedule))
COLUMNS = ", ".join(NAMES)
REPLACED = tuple(name for name in NAMES if name not in {"id", "created", "owner"})
"""Those that `ScheduleStore.replace` sets."""
