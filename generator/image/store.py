"""Where environments and runners are looked for, and left for others: the engine's store, and a registry beside it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from generator.containers import engine


@dataclass(frozen=True, kw_only=True, slots=True)
class ImageStore:
    """``fresh`` finds nothing of earlier builds; ``fetch`` and ``keep`` share images with other machines."""

    fresh: bool = False
    fetch: Callable[[str], bool] = lambda _: False
    keep: Callable[[str], None] = lambda _: None

    def has(self, reference: str) -> bool:
        """Whether an image is in the engine, or was fetched from where others left it."""
        if self.fresh:
            return False
        if engine.inspect(reference):
            self.keep(reference)
            return True
        return self.fetch(reference)
