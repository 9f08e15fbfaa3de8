"""One run: what was asked, its state, and how it ended."""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import Any, Literal

Way = Literal["kernel", "direct", "cold"]
"""How the kernel starts: forked from a prepared process, an IPython shell forked from one, a process of its own."""
Choice = Literal["auto", "kernel", "direct", "cold"]
"""The way that a run requests: one of them, or *direct* for notebooks that are plain Python and else *kernel*."""
CHOICES: tuple[Choice, ...] = ("auto", "kernel", "direct", "cold")
Protocol = Literal["runs", "papermill-api", "ogc", "schedule", "home"]


class RunState(str, Enum):
    """The states of a run; the last three are final."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    DISMISSED = "dismissed"

    @property
    def final(self) -> bool:
        """Whether the run has ended."""
        return self not in {RunState.QUEUED, RunState.RUNNING}


@dataclass(frozen=True, kw_only=True, slots=True)
class NewRun:
    """A run as a client asked for it. Its values are in the run's folder, not in the database (`RunFolder`)."""

    process: str
    """The notebook's path, posix, relative to the served folder."""
    owner: str = ""
    """The name of the token that asked for it; empty without tokens."""
    protocol: Protocol = "runs"
    options: Mapping[str, Any] = field(default_factory=dict)
    """Keyword options of the run that `generator.runner.server.workers.execution` knows, as JSON."""
    idempotency_key: str | None = None
    """A second run of the same owner with this key is the first one."""
    schedule: str | None = None
    """The id of the schedule that started it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """How a run ended; ``reason`` and ``exit_code`` are those of `generator.shared.failures`."""

    state: RunState
    reason: str | None = None
    message: str | None = None
    exit_code: int = 0
    status_code: int | None = None
    way: str | None = None
    note: str | None = None
    """Warnings of the run, and what a user should know of the way: why a kernel was replaced, or another way taken."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Run:
    """A row. Times are UTC."""

    id: str
    process: str
    owner: str
    protocol: str
    options: Mapping[str, Any]
    state: RunState
    created: datetime
    started: datetime | None = None
    ended: datetime | None = None
    cell: int = 0
    """The number of the running cell, from 1; 0 before the first."""
    cells: int = 0
    """How many cells the notebook has; 0 until the run knows."""
    worker: str | None = None
    reason: str | None = None
    message: str | None = None
    exit_code: int | None = None
    status_code: int | None = None
    way: str | None = None
    note: str | None = None
    idempotency_key: str | None = None
    schedule: str | None = None


def new_run_id() -> str:
    """Return an id of 32 hexadecimal digits that cannot be guessed; ids sort by their time.

    The first twelve digits are milliseconds, and the next four their fraction.
    """
    return f"{(time.time_ns() << 16) // 1_000_000:016x}{secrets.token_hex(8)}"
