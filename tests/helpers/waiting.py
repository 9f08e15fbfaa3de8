"""Waiting for other processes: by a condition, with a limit that a busy machine keeps too."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import pytest

Answer = TypeVar("Answer")


def wait_until(
    condition: Callable[[], Answer], *, seconds: float = 120, interval: float = 0.05, message: str = "the condition"
) -> Answer:
    """Return the first true answer of ``condition``; fail the test when there is none in time.

    A condition that takes long, such as one that starts a program, is asked less often: it would keep a processor busy.
    """
    deadline = time.monotonic() + seconds
    while True:
        begin = time.monotonic()
        answer = condition()
        if answer:
            return answer
        if time.monotonic() > deadline:
            pytest.fail(f"{message}: not fulfilled within {seconds:g} s")
        time.sleep(max(interval, 2 * (time.monotonic() - begin)))


def processes_naming(text: str) -> list[int]:
    """Return the ids of processes with this text in their command line."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if text.encode() in path.read_bytes():
                found.append(int(path.parent.name))
        except OSError:
            continue  # it has ended meanwhile
    return found


def has_ended(process: int) -> bool:
    """Whether a process has ended; its parent may not have asked for its exit code."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] in "ZX"
    except OSError:
        return True
