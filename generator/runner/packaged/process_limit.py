"""Explain a failure that came with the limit of processes and threads of a container (pids controller of cgroups)."""

from __future__ import annotations

import re
from pathlib import Path

_FOLDERS = (Path("/sys/fs/cgroup"), Path("/sys/fs/cgroup/pids"))
"""Of version 2 and 1."""
_FAILURES = re.compile(r"Resource temporarily unavailable|can't start new thread|[Cc]annot fork|fork: retry|EAGAIN")


def advise_on_processes(message: str) -> str:
    """Return a further line for the message of a failure if the container's limit of processes was reached."""
    if not _FAILURES.search(message):
        return ""
    for folder in _FOLDERS:
        try:
            reached = re.search(r"^max (\d+)$", (folder / "pids.events").read_text(encoding="ascii"), re.MULTILINE)
            limit = (folder / "pids.max").read_text(encoding="ascii").strip()
        except OSError:
            continue
        if reached and int(reached[1]) > 0:
            return (
                f"\n  the container reached its limit of {limit} processes and threads; start fewer, or ask the "
                "operator for more (PACKMILL_RUN_PROCESSES)"
            )
    return ""
