"""How much memory this machine has, and what of it a container may take."""

from __future__ import annotations

import os

_ORDINARY_SHARE, _LARGEST_SHARE = 0.75, 0.9


def ordinary_memory(*, containers: int = 1) -> int:
    """Give the MiB that any container may take where so many run at once."""
    return int(_total() * _ORDINARY_SHARE / containers)


def largest_memory() -> int:
    """Give the MiB that no container gets more than."""
    return int(_total() * _LARGEST_SHARE)


def _total() -> float:
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**20
