"""The memory of this machine, and the share of it that a container may use."""

from __future__ import annotations

import os

_ORDINARY_SHARE, _LARGEST_SHARE = 0.75, 0.9


def ordinary_memory(*, containers: int = 1) -> int:
    """Return the MiB for each of that many parallel containers."""
    return int(_total() * _ORDINARY_SHARE / containers)


def largest_memory() -> int:
    """Return the most MiB for a container, regardless of its request."""
    return int(_total() * _LARGEST_SHARE)


def _total() -> float:
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**20
