"""The layers of an image, described for people by what they contain."""

from __future__ import annotations

import re
from collections.abc import Sequence

from generator.containers.engine import Layer

_TITLES = (
    (r"repository\.tar|place\.py|COPY repository/", "repository"),
    (r"postBuild", "postBuild"),
    (r"COPY /runner/", "runner"),
    (r"COPY /server/", "server"),
    (r"COPY /gateway/", "Kernel Gateway"),
    (r"COPY /staging/", "staging"),
    (r"COPY /formats/", "formats"),
    (r"/packmill-root", "environment"),
    (r"settle\.py sh -c .?apt-get", "system packages"),
    (r"useradd|stubs\.tar", "user"),
)
"""A pattern in a step of packmill's Dockerfiles, and what the layer of that step contains."""


def describe_layers(layers: Sequence[Layer], base: Sequence[Layer]) -> str:
    """List the sizes of layers on one line, those of the base as one: ``base 310 MB, environment 250 MB, …``."""
    of_base = sum(layer.size for layer in base)
    parts = [("base", of_base)] if base else []
    parts += [(describe_layer(layer), layer.size) for layer in layers[len(base) :]]
    return ", ".join(f"{title} {format_size(size)}" for title, size in parts)


def describe_layer(layer: Layer) -> str:
    """Return what a layer contains, or the step that built it."""
    for pattern, title in _TITLES:
        if re.search(pattern, layer.made_by):
            return title
    # a run of spaces is matched only from its start: from each space, it would take quadratic time
    step = re.sub(r"^.*?/bin/sh -c |(?<!\s)\s*# buildkit$|^\|\d+ ", "", layer.made_by).strip()
    return " ".join(step.split())[:60] or "imported"


def format_size(size: int) -> str:
    """Format a size in bytes for people, in the decimal units that Docker prints."""
    for unit, name in ((10**9, "GB"), (10**6, "MB"), (10**3, "kB")):
        if size >= unit:
            return f"{size / unit:.{0 if size >= 10 * unit else 1}f} {name}"
    return f"{size} B"
