"""Limits of a run's container: memory, processor time, processes, what it writes, and no privileges."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass

from generator.containers.machine_memory import largest_memory, ordinary_memory
from generator.request.settings import Settings
from generator.shared.write_limits import WriteLimits

output_advice = "the operator's PACKMILL_RUN_OUTPUT and PACKMILL_RUN_FILES set it"
"""What a message adds to the limit that a run exceeds with what it writes."""
job_label = "org.packmill.job"
"""The label of every container that a job of the service starts, so that it can be removed with its job."""
_PROCESSES = 4096
_OUTPUT, _FILES = 100 * 1024, 1_000_000
"""MiB and files that a run may write if neither its package nor the operator states another number."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ContainerLimits:
    """The limits of a container, and the labels to find it by.

    Any container gets ``memory`` MiB and ``cpus``. A package that requests more (``ramMax`` and ``coresMax`` of its
    ResourceRequirement) gets it, up to ``most_memory`` and ``most_cpus``. ``processes`` counts threads, too. ``bare``
    lets a tool without a DockerRequirement run on the host. Its folders may hold ``output`` MiB, or the disk space that
    the package requests, up to ``most_output``, and ``files`` files and folders; 0 for no limit.
    """

    memory: int
    most_memory: int
    cpus: float
    most_cpus: float
    processes: int = _PROCESSES
    labels: tuple[str, ...] = ()
    bare: bool = False
    output: int = 0
    most_output: int = 0
    files: int = 0

    def options(self, *, ram: float, cores: float) -> list[str]:
        """Return the options of ``docker run`` for a tool that requests ``ram`` MiB and ``cores``."""
        memory = int(min(max(ram, self.memory), self.most_memory))
        cpus = min(max(cores, self.cpus), self.most_cpus)
        return [
            f"--memory={memory}m",
            f"--memory-swap={memory}m",
            f"--cpus={cpus:g}",
            f"--pids-limit={self.processes}",
            "--cap-drop=ALL",
            "--security-opt=no-new-privileges",
            *(f"--label={label}" for label in self.labels),
        ]

    def writing(self, *, disk: float) -> WriteLimits:
        """Return what a tool may write that requests ``disk`` MiB."""
        size = max(disk, self.output) if self.output else 0
        return WriteLimits(size=int(min(size, self.most_output or size)) << 20, files=self.files)

    def to_json(self) -> str:
        """Serialize the limits for another process."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> ContainerLimits:
        """Parse the output of `to_json`."""
        values = json.loads(text)
        return cls(**{**values, "labels": tuple(values["labels"])})


def container_limits(settings: Settings | None = None) -> ContainerLimits:
    """Return the limits on this machine; a package cannot exceed those in the settings."""
    settings = settings or Settings()
    largest, cores = largest_memory(), float(os.cpu_count() or 1)
    return ContainerLimits(
        memory=min(settings.run_memory or ordinary_memory(), largest),
        most_memory=min(settings.run_memory or largest, largest),
        cpus=min(settings.run_cpus or cores, cores),
        most_cpus=min(settings.run_cpus or cores, cores),
        processes=settings.run_processes or _PROCESSES,
        output=settings.run_output or _OUTPUT,
        most_output=settings.run_output,
        files=settings.run_files or _FILES,
        labels=(f"{job_label}={settings.container_label}",) if settings.container_label else (),
    )
