"""The time limit of a run in its process, which has others after it."""

from __future__ import annotations

import signal
import threading

import pytest

from generator.runner.execution.watching import signals_as_failures
from generator.shared.failures import RunTimeLimitError


def test_a_limit_that_passes_before_the_run_begins_leaves_no_timer() -> None:
    """The timer would end the worker of a server, which has no handler for it between runs."""
    before = signal.getsignal(signal.SIGALRM)

    with pytest.raises(RunTimeLimitError), signals_as_failures(1e-320):
        threading.Event().wait(60)

    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)
    assert signal.getsignal(signal.SIGALRM) is before
