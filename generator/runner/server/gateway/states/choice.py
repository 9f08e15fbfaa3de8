"""Which state the handlers of a notebook get: by its language, its kernel, and the options."""

from __future__ import annotations

import os
from collections.abc import Callable

from generator.runner.server.gateway.notebooks import ServedNotebook
from generator.runner.server.gateway.states.calls import BusyError, CallLimits, SeedError, State, UnsuitedError
from generator.runner.server.gateway.states.fresh import FreshState
from generator.runner.server.gateway.states.kernels import KernelState
from generator.runner.server.gateway.states.shared import SharedState
from generator.runner.server.gateway.states.sources import Place
from generator.runner.server.kernels.forkable import why_cold

_Log = Callable[[str], None]


async def open_state(notebook: ServedNotebook, limits: CallLimits, log: _Log, *, shared: bool, fork: bool) -> State:
    """Start what runs the handlers of a notebook; its cells have run after that.

    Raises:
        SeedError: a cell failed, or the kernel does not start.
    """
    place = Place(
        name=notebook.name,
        kernel=notebook.kernel,
        seed=notebook.annotated.seed,
        environment=dict(os.environ),
        directory=notebook.directory,
        largest=limits.response,
    )
    reason = why_cold(notebook.kernel, place.environment)
    if not reason:
        state = SharedState(place, limits, log) if shared else FreshState(place, limits, log, fork=fork)
        try:
            await _start(state)
        except UnsuitedError as error:
            reason = str(error)
        else:
            return state
    if not shared:
        kernels_text = "a kernel" if limits.kernels == 1 else f"{limits.kernels} kernels"
        log(f"{notebook.name}: requests share the state of {kernels_text}: {reason}")
    kernels = KernelState(place, limits, log)
    await _start(kernels)
    return kernels


async def _start(state: State) -> None:
    try:
        await state.start()
    except BaseException as error:
        await state.stop()
        if isinstance(error, BusyError):
            raise SeedError(str(error)) from None
        raise
