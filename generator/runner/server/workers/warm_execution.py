"""The execution of a process with a kernel that is kept ready, and its outcome.

Does without the server's libraries: the containers of ``packmill map`` import this module, and start quickly.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path

from generator.runner.packaged.request import PackagedRun
from generator.runner.packaged.run import run as run_process
from generator.runner.server.kernels.warm import WarmKernels
from generator.runner.server.kernels.warm_run import WarmRun
from generator.runner.server.runs.folder import RunFolder
from generator.runner.server.runs.model import Choice, Outcome, RunState
from generator.runner.server.variables import restore_variables
from generator.shared.failures import InterruptedRunError, RunFailedError


def run_warm(
    request: PackagedRun, folder: RunFolder, kernels: WarmKernels, way: Choice | None
) -> tuple[Outcome, WarmRun]:
    """Run a process with a kernel that is kept ready; again if a forked one did not suit the notebook.

    Both attempts share the time limit of the run.
    """
    began = time.monotonic()
    while True:
        warm = WarmRun(kernels, way)
        attempt = replace(request, start=warm.start, spent=time.monotonic() - began)
        outcome = outcome_of(partial(run_process, attempt), folder)
        warm.finish()
        if not warm.unsuited:
            return outcome, warm
        folder.clear_output()


def outcome_of(action: Callable[[], None], folder: RunFolder) -> Outcome:
    """Do a part of a run and describe how it ended."""
    try:
        action()
        status = folder.read_result().get("status_code")
    except InterruptedRunError as error:
        return Outcome(state=RunState.FAILED, reason=error.reason, message=str(error), exit_code=error.exit_code)
    except RunFailedError as error:
        return _failure(error, folder)
    except Exception as error:  # noqa: BLE001 - a worker must outlive a run that found a mistake of ours
        return Outcome(
            state=RunState.FAILED, reason="internal-error", message=f"{type(error).__name__}: {error}", exit_code=1
        )
    return Outcome(state=RunState.SUCCEEDED, status_code=status)


def _failure(error: RunFailedError, folder: RunFolder) -> Outcome:
    status = None
    with suppress(OSError):  # the run's own reason is worth more
        status = folder.read_result().get("status_code")
    return Outcome(
        state=RunState.FAILED,
        reason=error.reason,
        message=str(error),
        exit_code=error.exit_code,
        status_code=status,
    )


@contextmanager
def own_surroundings(folder: Path) -> Iterator[None]:
    """Run in the run's folder, and undo what a run changes in this process."""
    before = dict(os.environ)
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir("/")
        restore_variables(before)
