"""The roles of tokens."""

from __future__ import annotations

from typing import Literal

Role = Literal["read", "run", "admin"]
roles: tuple[Role, ...] = ("read", "run", "admin")
