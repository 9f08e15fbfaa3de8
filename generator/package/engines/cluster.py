"""Where Toil runs the jobs of a CWL document: the batch system, the program that starts containers, the job store."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from generator.package.engines import toil
from generator.shared.errors import UsageError


@dataclass(frozen=True, kw_only=True, slots=True)
class Cluster:
    """What ``packmill run`` was asked for about a cluster; all None on this machine."""

    batch_system: str | None = None
    """Toil's name of the cluster's scheduler."""
    container: str | None = None
    """docker, podman or singularity."""

    def check_engine(self, engine: str, *, resume: bool = False) -> None:
        """Refuse options of Toil for another engine.

        Raises:
            UsageError: the engine is not Toil.
        """
        given = {"--batch-system": self.batch_system, "--container": self.container, "--resume": resume}
        if engine != toil.name and (names := [name for name, value in given.items() if value]):
            raise UsageError(f"{names[0]} is for --engine {toil.name}; add that, or omit the option")

    def options(self, folder: Path, given: Sequence[str] = (), *, resume: bool = False) -> tuple[str, ...]:
        """Return the options of ``toil-cwl-runner``, with those that the user gave last: the last of two counts.

        ``folder`` gets the job store and the logs of jobs; a cluster's nodes must see it. It is not used on this
        machine, where Toil has temporary folders of its own, unless a run is to be resumed.

        Raises:
            UsageError: an interrupted run left its job store, and ``resume`` is not set.
        """
        container = (f"--{self.container}",) if self.container in ("podman", "singularity") else ()
        if self.batch_system is None and not resume:
            return (*container, *given)
        batch_system = ("--batchSystem", self.batch_system) if self.batch_system else ()
        kept, job_store = toil.split_job_store(given)
        place = job_store or str(folder / "jobstore")
        can_continue = resume and (job_store is not None or Path(place).exists())
        if not resume and job_store is None and Path(place).exists():
            raise UsageError(
                f"{place}: a run that ended early left it; --resume continues that run, or remove the folder"
            )
        logs = folder / "logs"
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)  # secret values are in the job store
        logs.mkdir(exist_ok=True)
        restart = ("--restart",) if can_continue else ()
        own = ("--jobStore", place, "--batchLogsDir", str(logs), *restart)
        return (*batch_system, *container, *own, *kept)
