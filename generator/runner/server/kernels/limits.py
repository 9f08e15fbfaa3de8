"""Bounds of what a worker keeps ready."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class KernelLimits:
    """How much one worker keeps ready; memory in bytes, as proportional set size."""

    prepared: int = 8
    """Prepared processes with preloaded modules."""
    memory: int = 2 * 1024**3
    spares: int = 4
    """Kernels and shells forked ahead of their runs."""
    cold: int = 2
    """Kernels of other languages started ahead of their runs."""
    patience: float = 10.0
    """Least seconds that the first child with preloaded modules may wait for a lock before it counts as hanging."""
