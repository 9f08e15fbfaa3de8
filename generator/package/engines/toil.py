"""Toil, which runs packages on clusters; it does not check outputs and therefore requires trust."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

from generator.containers.limits import ContainerLimits
from generator.package.engines.environment import kept_variables
from generator.shared.errors import UsageError

name = "toil"

_SCHEDULERS = ("TOIL_", "SLURM_", "PBS_", "LSB_", "SGE_")


def command(limits: ContainerLimits, *, trust: bool) -> tuple[str, ...]:  # noqa: ARG001 - Toil has no such limits
    """Return the command that starts Toil.

    Raises:
        UsageError: the package is not trusted, or Toil is not installed.
    """
    if not trust:
        raise UsageError(
            "toil moves and reads every file that a container leaves, including links to files of this machine; run "
            "packages that you trust with --trust, others with --engine cwltool"
        )
    found = shutil.which("toil-cwl-runner") or shutil.which("toil-cwl-runner", path=str(Path(sys.executable).parent))
    if found is None:
        raise UsageError("toil-cwl-runner is not installed: pip install 'toil[cwl]' in packmill's environment")
    # A locally built image cannot be pulled from a registry; Toil pulls other missing images when it runs them.
    return (found, "--no-prepull")


def environment(variables: Mapping[str, str], folder: Path | None = None) -> dict[str, str]:  # noqa: ARG001 - see cwltool
    """Return Toil's environment: needed variables, and those of Toil and of batch schedulers."""
    return kept_variables(variables, prefixes=_SCHEDULERS)
