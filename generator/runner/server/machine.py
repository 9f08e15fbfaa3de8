"""What the machine, or the container with its limits, has: processors, memory and space on the disk."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

_MEMORY_PER_WORKER = 1 << 30
"""Bytes that one run may need: a kernel with pandas, and a prepared process."""
_CGROUPS = Path("/sys/fs/cgroup")


def default_workers() -> int:
    """Return how many runs fit at once: one for each processor, as long as each has a gibibyte of memory."""
    return max(1, min(_processors(), _memory() // _MEMORY_PER_WORKER))


def _processors() -> int:
    limits = [len(os.sched_getaffinity(0))]
    for group in _own_groups():
        with suppress(OSError, ValueError):
            quota, period = (group / "cpu.max").read_text().split()
            limits.append(max(1, int(quota) // int(period)))
    with suppress(OSError, ValueError):  # version 1, with -1 for no limit
        quota, period = ((_CGROUPS / "cpu" / f"cpu.cfs_{name}_us").read_text() for name in ("quota", "period"))
        limits += [max(1, int(quota) // int(period))] if int(quota) > 0 else []
    return min(limits)


def _memory() -> int:
    limits = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    files = [group / "memory.max" for group in _own_groups()]
    for file in (*files, _CGROUPS / "memory" / "memory.limit_in_bytes"):
        with suppress(OSError, ValueError):
            limits.append(int(file.read_text()))
    return min(limits)


def _own_groups() -> Iterator[Path]:
    """Yield the control groups (version 2) of this process, the innermost first: each can have a limit."""
    with suppress(OSError):
        for line in Path("/proc/self/cgroup").read_text().splitlines():
            if line.startswith("0::"):
                own = Path(line[3:].lstrip("/"))
                yield from (_CGROUPS / own, *(_CGROUPS / one for one in own.parents))
