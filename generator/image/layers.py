"""The layers of an image, told as what they hold. Pure, over the engine's history of the image."""

from __future__ import annotations

from collections.abc import Sequence

from generator.containers.engine import Layer


def summary(layers: Sequence[Layer], base: Sequence[Layer]) -> str:
    """Sizes by layer on one line, with the base's layers together: ``base 310 MB, environment 250 MB, …``."""
    of_base = sum(layer.size for layer in base)
    parts = [("base", of_base)] if base else []
    parts += [(layer.title, layer.size) for layer in layers[len(base) :]]
    return ", ".join(f"{title} {shown_size(size)}" for title, size in parts)


def shown_size(size: int) -> str:
    """A size for people, in the decimal units that Docker prints."""
    for unit, name in ((10**9, "GB"), (10**6, "MB"), (10**3, "kB")):
        if size >= unit:
            return f"{size / unit:.{0 if size >= 10 * unit else 1}f} {name}"
    return f"{size} B"
