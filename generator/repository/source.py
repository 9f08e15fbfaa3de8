"""The commit that an image and a package are built from."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class Source:
    """What an image is built from."""

    address: str
    owner: str
    name: str
    checkout: str
    commit: str
    title: str
    time: datetime
