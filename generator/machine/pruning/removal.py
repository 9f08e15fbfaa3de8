"""One thing that ``packmill prune`` removes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from generator.notebook.parameters import Word


class Kind(Word):
    """What is removed, in the order of the report."""

    IMAGE = "image"
    ENVIRONMENT = "environment"
    LAYER = "layer"
    """An image that others are made from: a runner, readers of formats, a staging image, a base."""
    CACHE = "cache"
    PIPELINE = "pipeline"


@dataclass(frozen=True, kw_only=True, slots=True)
class Removal:
    """A thing with its size in bytes and its time in Unix seconds; ``remove`` returns whether it could be removed."""

    kind: Kind
    name: str
    size: int
    time: float
    remove: Callable[[], bool] = field(repr=False, compare=False)

    def to_dict(self) -> dict[str, Any]:
        """Return the removal as ``--json`` prints it."""
        return {"kind": str(self.kind), "name": self.name, "size": self.size}
