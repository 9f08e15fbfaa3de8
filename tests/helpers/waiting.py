"""Waiting for other processes: by a condition, with a limit that a busy machine keeps too."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

import pytest

Answer = TypeVar("Answer")


def wait_until(
    condition: Callable[[], Answer], *, seconds: float = 120, interval: float = 0.05, message: str = "the condition"
) -> Answer:
    """Return the first true answer of ``condition``; fail the test when there is none in time."""
    deadline = time.monotonic() + seconds
    while True:
        answer = condition()
        if answer:
            return answer
        if time.monotonic() > deadline:
            pytest.fail(f"{message}: not fulfilled within {seconds:g} s")
        time.sleep(interval)
