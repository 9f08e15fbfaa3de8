"""Messages of a kernel (Jupyter's messaging protocol, version 5.4)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from generator.shared.json_levels import deepest


@dataclass(frozen=True, slots=True)
class Message:
    """One message; ``time`` is the kernel's own (ISO 8601), ``parent`` the id of the request that it answers."""

    kind: str
    parent: str
    time: str
    content: dict[str, Any]
    buffers: tuple[bytes, ...] = ()


def left_out(parent: str, time: str, error: RecursionError | ValueError) -> Message:
    """Return what takes the place of a published message that `read_json` refuses."""
    reason = f"its JSON has more than {deepest} lists and objects in each other"
    if isinstance(error, ValueError):
        reason = "it is not JSON, has a whole number of too many digits, or lacks fields of a message"
    text = f"packmill: an output was left out: {reason}\n"
    return Message("stream", parent, time, {"name": "stderr", "text": text})


Take = Callable[[Message], None]
"""Handles a published message."""


def ignore(_: object = None) -> None:
    """Do nothing."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ExecuteRequest:
    """Code to run, and what happens meanwhile."""

    code: str
    take: Take = ignore
    """Gets each published message."""
    sent: Callable[[str], None] = ignore
    """Gets the id of the request."""
    tick: Callable[[], None] = ignore
    """Called periodically."""
    stop_on_error: bool = True
    limit: float | None = None
    """Seconds that the code may take."""
    fields: Mapping[str, Any] | None = None
    """Further fields of Jupyter's request."""
