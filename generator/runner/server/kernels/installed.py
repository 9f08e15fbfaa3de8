"""The kernels that are installed, for one worker."""

from __future__ import annotations

import time
from collections.abc import Mapping

from generator.runner.image_note import noted_variables, read_image_note
from generator.runner.kernels.specs import Kernel, find_kernels

_AGE = 5.0
"""Seconds for which a list is used again: finding kernels costs a tenth of a short run."""


class InstalledKernels:
    """The kernels in the environment of a worker.

    A run's own environment has a temporary HOME with links to the same kernels, which would differ each time.
    """

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = dict(environment)
        noted_variables(read_image_note()).restore(self._environment)
        self._found: tuple[Kernel, ...] = ()
        self._next = 0.0

    def find(self, _environment: Mapping[str, str]) -> tuple[Kernel, ...]:
        """List the kernels, as `generator.runner.kernels.specs.find_kernels`."""
        if time.monotonic() >= self._next:
            self._found = find_kernels(self._environment)
            self._next = time.monotonic() + _AGE
        return self._found
