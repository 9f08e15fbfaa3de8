"""Garbage collection of processes that live long: what they have loaded never becomes garbage."""

from __future__ import annotations

import gc

_THRESHOLDS = 20_000, 20, 50
"""Objects until a young collection, young until a middle, middle until a full one (default: 700, 10, 10)."""


def exempt_loaded_objects() -> None:
    """Never again look at the objects that exist now, and look at newer ones less often.

    A collection of all reads some hundred thousand objects of modules, and frees nothing.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_THRESHOLDS)
