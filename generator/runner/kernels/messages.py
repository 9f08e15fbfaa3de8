"""Messages of a kernel (Jupyter's messaging protocol, version 5.4)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Message:
    """One message; ``time`` is the kernel's own (ISO 8601), ``parent`` the id of the request that it answers."""

    kind: str
    parent: str
    time: str
    content: dict[str, Any]
    buffers: tuple[bytes, ...] = ()
