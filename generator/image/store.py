"""Where environments and runner images are looked up and shared: in the engine, and in a registry used as a cache."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from generator.containers import engine


@dataclass(frozen=True, kw_only=True, slots=True)
class ImageStore:
    """The engine's images, and those in a shared cache.

    ``fresh`` ignores all of them; ``fetch`` pulls an image from the cache and reports whether it was found; ``keep``
    pushes one to it.
    """

    fresh: bool = False
    fetch: Callable[[str], bool] = lambda _: False
    keep: Callable[[str], None] = lambda _: None

    def has(self, reference: str) -> bool:
        """Check whether an image is in the engine, or pull it from the cache."""
        if self.fresh:
            return False
        if engine.inspect(reference):
            self.keep(reference)
            return True
        return self.fetch(reference)
