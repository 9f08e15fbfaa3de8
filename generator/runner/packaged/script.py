"""The process of a script, which is ended together with its children."""

from __future__ import annotations

import os
import signal
import subprocess
from contextlib import suppress
from pathlib import Path

from generator.runner.execution.watching import deferred_signals, ignore_signals

_TIME_TO_CLEAN_UP = 2.0
"""Seconds between SIGTERM and SIGKILL for a script."""


def run_script(command: list[str], directory: Path) -> int:
    """Return a script's exit code; an interrupted script and its children have a moment to clean up."""
    script_run = None
    try:
        with deferred_signals():  # otherwise the script could start and nobody know its process id
            script_run = subprocess.Popen(command, cwd=directory, start_new_session=True)
        return script_run.wait()
    except BaseException:
        ignore_signals()
        if script_run is None:
            raise
        with suppress(ProcessLookupError, subprocess.TimeoutExpired):
            os.killpg(script_run.pid, signal.SIGTERM)
            script_run.wait(timeout=_TIME_TO_CLEAN_UP)
        raise
    finally:
        if script_run is not None:
            with suppress(ProcessLookupError):
                os.killpg(script_run.pid, signal.SIGKILL)
            script_run.wait()
