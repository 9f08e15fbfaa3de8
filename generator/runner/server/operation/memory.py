"""The memory of process trees, in proportional set size: pages that forked processes share count once."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

_PROC = Path("/proc")
_PSS = re.compile(rb"^Pss:\s+(\d+) kB", re.MULTILINE)


def memory_of_trees(roots: Iterable[int]) -> tuple[int, int]:
    """Return the bytes of some processes themselves, and of their descendants; unreadable ones count as 0."""
    roots = set(roots)
    children = _children()
    below, found = list(roots), set[int]()
    while below:
        new = [child for child in children[below.pop()] if child not in found]
        found.update(new)
        below += new
    return sum(map(_memory, roots)), sum(map(_memory, found - roots))


def _children() -> dict[int, list[int]]:
    children: dict[int, list[int]] = defaultdict(list)
    for entry in _PROC.iterdir():
        if entry.name.isdecimal():
            with suppress(OSError, ValueError, IndexError):
                after_name = (entry / "stat").read_bytes().rpartition(b")")[2]  # names have spaces and brackets
                children[int(after_name.split()[1])].append(int(entry.name))
    return children


def _memory(process: int) -> int:
    with suppress(OSError):
        found = _PSS.search((_PROC / str(process) / "smaps_rollup").read_bytes())
        return int(found[1]) * 1024 if found else 0
    return 0
