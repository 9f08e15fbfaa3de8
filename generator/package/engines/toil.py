"""Toil, which runs packages on clusters; it does not check outputs and therefore requires trust."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from generator.containers.limits import ContainerLimits
from generator.package.engines.environment import kept_variables
from generator.package.engines.leftovers import Leftovers
from generator.shared.errors import UsageError

name = "toil"

_SCHEDULERS = (
    *("TOIL_", "SLURM_", "SBATCH_", "PBS_", "LSB_", "LSF_", "BSUB_", "SGE_", "CONDOR_", "_CONDOR_"),
    *("KUBERNETES_SERVICE_", "KUBECONFIG"),
)
"""Such as the options of sbatch (``SBATCH_ACCOUNT``) and the places of settings (``LSF_ENVDIR``, ``CONDOR_CONFIG``)."""
_CONTAINER_SETTINGS = (
    *("CONTAINERS_CONF", "CONTAINERS_STORAGE_CONF", "CONTAINERS_REGISTRIES_CONF", "STORAGE_DRIVER"),
    *(f"{prefix}{name}DIR" for prefix in ("SINGULARITY_", "APPTAINER_") for name in ("CACHE", "TMP")),
)
"""Variables of Podman, Singularity and Apptainer."""


def command(limits: ContainerLimits, *, trust: bool, left: Leftovers) -> tuple[str, ...]:  # noqa: ARG001 - Toil has no such limits
    """Return the command that starts Toil.

    Raises:
        UsageError: the package is not trusted, or Toil is not installed.
    """
    if not trust:
        raise UsageError(
            "toil moves and reads every file that a container leaves, including links to files of this machine; run "
            "packages that you trust with --trust, others with --engine cwltool"
        )
    # A locally built image cannot be pulled from a registry; Toil pulls other missing images when it runs them.
    return (str(_program("toil-cwl-runner")), "--no-prepull")


def environment(variables: Mapping[str, str], folder: Path | None = None) -> dict[str, str]:
    """Return Toil's environment: needed variables, and those of Toil, batch schedulers, Podman and Singularity.

    Temporary files are in ``folder``. Toil's own job store, which has secret values, is one that everybody may read.
    """
    temporary = {"TMPDIR": str(folder)} if folder else {}
    return {**kept_variables(variables, prefixes=(*_SCHEDULERS, *_CONTAINER_SETTINGS)), **temporary}


def toil_python() -> Path:
    """Locate the Python that Toil is installed for.

    Raises:
        UsageError: Toil is not installed.
    """
    program = _program("toil")
    first = program.read_bytes().partition(b"\n")[0].decode(errors="replace")
    named = Path(first.removeprefix("#!").strip())
    neighbors = (program.resolve().parent / name for name in ("python3", "python"))
    return next((one for one in (*neighbors, named) if one.is_file()), Path(sys.executable))


def split_job_store(options: Sequence[str]) -> tuple[tuple[str, ...], str | None]:
    """Take ``--jobStore`` out of Toil's options, which workflows in Python have as an argument; None without it."""
    kept: list[str] = []
    job_store = None
    words = iter(options)
    for word in words:
        name, equals, value = word.partition("=")
        if name == "--jobStore":
            job_store = value if equals else next(words, None)
        else:
            kept.append(word)
    return tuple(kept), job_store


def _program(name: str) -> Path:
    found = shutil.which(name) or shutil.which(name, path=str(Path(sys.executable).parent))
    if found is None:
        raise UsageError(
            f"{name} is not installed; install it, on a cluster where every node finds it: pip install 'packmill[toil]'"
        )
    return Path(found)
