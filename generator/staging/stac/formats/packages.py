"""The packages that read scientific formats: a layer of some staging images, elsewhere ``packmill[formats]``."""

from __future__ import annotations

import importlib.util
import sys

LAYER = "/opt/packmill/formats/lib"
INSTALL = "pip install 'packmill[formats]'"


def add_layer() -> None:
    """Put the layer of an image on the path, for the process that reads files alone."""
    if sys.prefix == "/opt/packmill":
        sys.path.append(LAYER)


def has_package(name: str) -> bool:
    """Check whether a package is installed."""
    return importlib.util.find_spec(name) is not None
