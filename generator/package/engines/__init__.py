"""The CWL engines that run a package.

To add an engine, write a module with the members of `Engine`, and add it to `engines`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from generator.containers.limits import ContainerLimits
from generator.package.engines import cwltool, toil
from generator.package.engines.leftovers import Leftovers
from generator.shared.errors import UsageError


class Engine(Protocol):
    """A module that starts one CWL engine."""

    name: str
    """The value of ``--engine``."""

    def command(self, limits: ContainerLimits, *, trust: bool, left: Leftovers) -> tuple[str, ...]:
        """Return the command, without the document and the job.

        ``left`` is what an engine that loses packmill removes.

        Raises:
            UsageError: the engine is not installed, or requires ``trust``.
        """

    def environment(self, variables: Mapping[str, str], folder: Path | None = None) -> dict[str, str]:
        """Return the engine's environment; ``folder`` is for temporary files and is removed after the run."""


engines: tuple[Engine, ...] = (cwltool, toil)
"""All engines; the first is the default."""


def engine_of(name: str) -> Engine:
    """Return the engine of this name.

    Raises:
        UsageError: the name is not that of an engine.
    """
    for engine in engines:
        if engine.name == name:
            return engine
    raise UsageError(f"{name!r}: unknown CWL engine; use one of: {', '.join(engine.name for engine in engines)}")
