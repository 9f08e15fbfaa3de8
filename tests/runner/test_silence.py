"""A word about a cell that neither prints nor computes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest
from waiting import wait_until

from generator.runner.execution.silence import Silence, processor_time


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def sleeper() -> Iterator[int]:
    with subprocess.Popen(["sleep", "1000"]) as process:
        yield process.pid
        process.kill()


@pytest.fixture
def computer() -> Iterator[int]:
    """A process whose child computes, as those of kernels that wrap another program."""
    code = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'while True: pass'])"
    with subprocess.Popen([sys.executable, "-c", code], start_new_session=True) as process:
        yield process.pid
        os.killpg(process.pid, signal.SIGKILL)


def test_an_idle_kernel_is_reported_once(sleeper: int) -> None:
    clock = Clock()
    silence = Silence(sleeper, clock=clock)

    found = []
    for clock.now in range(200):
        found += [clock.now] if silence.is_suspicious() else []

    assert found == [60]


def test_output_ends_the_silence(sleeper: int) -> None:
    clock = Clock()
    silence = Silence(sleeper, clock=clock)
    for clock.now in range(300):
        if clock.now % 50 == 0:
            silence.end()
        assert not silence.is_suspicious()


def test_a_kernel_whose_child_computes_is_not_idle(computer: int) -> None:
    clock = Clock()
    silence = Silence(computer, clock=clock)
    clock.now = 6
    assert not silence.is_suspicious()
    before = processor_time(computer)
    wait_until(lambda: processor_time(computer) > before + 0.5, seconds=60, message="half a second was computed")
    clock.now = 60

    assert not silence.is_suspicious()
