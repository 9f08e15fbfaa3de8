"""What the rows of a container use: its processor time and its memory, from its control group.

The paths are those of a container that sees its own group alone (cgroups(7)), in version 2 and version 1. Memory is
what programs allocated: the files that Linux caches do not count, because it frees them when memory is needed.
"""

from __future__ import annotations

import mmap
import struct
from pathlib import Path

interval = 0.05
"""Seconds between two samples of the memory."""
_V2, _V1 = Path("/sys/fs/cgroup/cpu.stat"), Path("/sys/fs/cgroup/cpuacct/cpuacct.usage")
_MEMORY = (Path("/sys/fs/cgroup/memory.stat"), Path("/sys/fs/cgroup/memory/memory.stat"))
_ALLOCATED = {b"anon", b"shmem", b"total_rss", b"total_shmem"}
_NUMBER = struct.Struct("Q")


class Meter:
    """The meter of one container: one process samples, and one that was forked from it reads."""

    def __init__(self) -> None:
        self._peak = mmap.mmap(-1, _NUMBER.size)
        self._processor_time: float | None = None

    def sample(self) -> None:
        """Note the memory that the container uses now."""
        used = allocated_memory() or 0
        if used > _NUMBER.unpack_from(self._peak)[0]:
            _NUMBER.pack_into(self._peak, 0, used)

    def begin(self) -> None:
        """Begin to measure a row."""
        _NUMBER.pack_into(self._peak, 0, 0)
        self._processor_time = processor_time()

    def read(self) -> dict[str, float | int | None]:
        """Return what was used since `begin`: seconds of processor time, and the largest sample of memory in bytes.

        A value that cannot be measured is None, such as the memory of a row that took less than `interval`.
        """
        before, now = self._processor_time, processor_time()
        spent = None if before is None or now is None else round(now - before, 6)
        return {"cpu_seconds": spent, "container_memory": _NUMBER.unpack_from(self._peak)[0] or None}


def processor_time() -> float | None:
    """Return the processor time of the container in seconds; None if it cannot be read."""
    try:
        return int(_V1.read_bytes()) / 1e9
    except (OSError, ValueError):
        pass
    usage = _read(_V2).get(b"usage_usec")
    return None if usage is None else usage / 1e6


def allocated_memory() -> int | None:
    """Return the memory that the programs of the container have allocated, in bytes; None if it cannot be read."""
    for path in _MEMORY:
        if found := [value for name, value in _read(path).items() if name in _ALLOCATED]:
            return sum(found)
    return None


def _read(path: Path) -> dict[bytes, int]:
    """Return the numbers of a file with a name and a number a line; empty if it cannot be read."""
    try:
        words = [line.split() for line in path.read_bytes().splitlines()]
    except OSError:
        return {}
    return {line[0]: int(line[1]) for line in words if len(line) == 2 and line[1].isdigit()}
