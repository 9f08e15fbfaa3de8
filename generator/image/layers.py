"""The layers of an image, told as what they hold. Pure, over the engine's history of the image."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

_TITLES = (
    (r"repository\.tar|place\.py|COPY repository/", "repository"),
    (r"postBuild", "postBuild"),
    (r"COPY /runner/", "runner"),
    (r"COPY /staging/", "staging"),
    (r"/packmill-root", "environment"),
    (r"settle\.py sh -c .?apt-get", "system packages"),
    (r"useradd|stubs\.tar", "user"),
)
"""What stands in a step of packmill's own Dockerfiles, and what its layer holds."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Layer:
    """One layer: the step that made it, and its size in bytes, unpacked."""

    made_by: str
    size: int

    @property
    def title(self) -> str:
        """What it holds, or the step that made it."""
        for pattern, title in _TITLES:
            if re.search(pattern, self.made_by):
                return title
        step = re.sub(r"^.*?/bin/sh -c |\s*# buildkit$|^\|\d+ ", "", self.made_by).strip()
        return " ".join(step.split())[:60] or "imported"


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
