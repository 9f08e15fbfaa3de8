"""How Toil runs the rows of a map: what jobs request, and the command of a job's container."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from generator.containers.limits import ContainerLimits, output_advice
from generator.containers.machine_memory import largest_memory
from generator.package.map.containers import ROWS, TEMPORARY, ContainerPlan
from generator.package.map.copying import COPIED_AT_MOST
from generator.package.map.files import MOST_FILES, mount_option
from generator.package.map.row_container import GRACE, START
from generator.shared.errors import UsageError

SINGLE_MACHINE = "single_machine"
container_programs = ("docker", "podman", "singularity")
"""Values of ``--container``."""
_MIB = 1 << 20
_WORKER_MEMORY = 256
"""MiB of a job next to its container: Toil's worker."""
_FIRST_ROWS = 4
"""Rows whose time is measured before the others are grouped."""
_JOBS = 16
"""Jobs among which rows are divided at least, unless ``--parallel`` gives their number."""
_UNLIMITED = 1 << 40
_INPUTS, _GPUS = "\0inputs\0", "\0gpus\0"
"""Words that a job replaces by options. Neither a path nor a word of a command has a null character."""
_TEMPORARY_MARK = "\0tmp\0"
_GROUP_MARK = "\0group\0"
_NAME_MARK = "\0name\0"
_IMAGE_CACHE = "CWL_SINGULARITY_CACHE"


@dataclass(frozen=True, kw_only=True, slots=True)
class ToilPlan:
    """How the jobs of one map run; ``containers`` has the tool that all rows run."""

    containers: ContainerPlan
    folder: Path
    """The folder of all waves, in the output folder: every node must see it under this path."""
    batch_system: str
    container: str = "docker"
    options: tuple[str, ...] = ()
    """Options of Toil."""
    rows_per_job: int | None = None
    parallel: int | None = None
    """The most jobs at a time; None leaves that to the batch system."""

    def shared(self, groups: Path, *, rows: int, memory: float, isolated: bool) -> dict[str, Any]:
        """Return ``plan.json`` of `packmill_rows.py` for some rows; ``memory`` multiplies what each gets."""
        tool = self.containers.tool
        ram, writing = self._ram(memory), self.containers.writing
        return {
            "command": list(self._command(groups, ram, one=isolated)),
            "gpu_options": list(self._gpu_options()),
            "kill": [] if self.container == "singularity" else [self.container, "kill", _NAME_MARK],
            "writing": {"size": writing.size, "files": writing.files, "advice": output_advice},
            "copied_at_most": COPIED_AT_MOST,
            "most_files": MOST_FILES,
            "isolated": isolated,
            "rows": rows,
            "rows_per_job": self.rows_per_job if memory == 1 else 1,
            "first": _FIRST_ROWS,
            "parallel": self.parallel or _JOBS,
            "cores": max(tool.cores, 1),
            "memory": int(ram + _WORKER_MEMORY) * _MIB,
            "disk": int(max(tool.disk, 1) * _MIB),
            "gpus": tool.gpus,
            "row_limit": tool.time,
            "grace": GRACE,
            "start_limit": START,
        }

    def mounts(self, files: Mapping[str, Path]) -> dict[str, tuple[str, str]]:
        """Return the path and the mount option of each file and folder of a row, by where a container sees it."""
        return {inside: (str(path), self._mount(path, inside)) for inside, path in files.items()}

    def _mount(self, path: Path, inside: str) -> str:
        if self.container == "singularity":
            return f"--bind={_singularity_path(path)}:{_singularity_path(inside)}:ro"
        return mount_option(path, inside, readonly=True)

    def _ram(self, memory: float) -> int:
        """Return the MiB of a container: what the package asks for, at most what the machine or its operator allows."""
        most = self.containers.limits.most_memory
        is_limited = self.batch_system == SINGLE_MACHINE or most < largest_memory()
        wanted = int(self.containers.tool.ram * memory)
        return min(wanted, most) if is_limited else wanted

    def _command(self, groups: Path, ram: int, *, one: bool) -> Iterator[str]:
        rows = groups / _GROUP_MARK / "rows"
        if self.container == "singularity":
            yield from self._singularity(rows, one=one)
            return
        limits = ContainerLimits(memory=ram, most_memory=ram, cpus=0, most_cpus=_UNLIMITED)
        limits = replace(limits, processes=self.containers.limits.processes, labels=self.containers.limits.labels)
        plan = replace(self.containers, limits=limits, program=self.container)
        temporary = Path(_TEMPORARY_MARK)
        program, run, *words = plan.command((_INPUTS, _GPUS), rows=rows, temporary=temporary, name=_NAME_MARK, one=one)
        yield from (program, run)
        if self.container == "podman" and os.getuid():
            yield "--userns=keep-id"
        yield from words

    def _singularity(self, rows: Path, *, one: bool) -> Iterator[str]:
        """Return the command with cwltool's options for Singularity; HOME can be set only by its own option."""
        tool = self.containers.tool
        yield from ("singularity", "--quiet", "exec", "--contain", "--ipc", "--pid", "--cleanenv", "--no-eval")
        yield f"--home={_TEMPORARY_MARK}:/packmill/home"
        yield f"--bind={_TEMPORARY_MARK}:{TEMPORARY}"
        yield f"--bind={_singularity_path(rows)}:{ROWS}"
        yield from (f"--pwd={ROWS}", f"--env=TMPDIR={TEMPORARY}", _INPUTS, _GPUS)
        yield from () if tool.needs_network else ("--net", "--network=none")
        yield _singularity_image(tool.image)
        yield from self.containers.runner(one=one)

    def _gpu_options(self) -> tuple[str, ...]:
        if not self.containers.tool.gpus:
            return ()
        options = {
            "docker": "--gpus=\0devices\0",
            "podman": "--device=nvidia.com/gpu=\0device\0",
            "singularity": "--nv",
        }
        return (options[self.container],)


def refuse_unverified_files() -> None:
    """Refuse a cache of image files for a map with ``--verify``: others may write to it, and no file has a signature.

    Raises:
        UsageError: the variable CWL_SINGULARITY_CACHE is set.
    """
    if os.environ.get(_IMAGE_CACHE):
        raise UsageError(
            f"--verify: with --container singularity, image files in ${_IMAGE_CACHE} are not verified; unset the "
            "variable, so that images come from their registry, or omit one of the two options"
        )


def _singularity_path(path: Path | str) -> str:
    if any(mark in str(path) for mark in ":,"):
        raise UsageError(f"{path}: Singularity mounts nothing with ':' or ',' in its path; move it, or use Podman")
    return str(path)


def _singularity_image(reference: str) -> str:
    """Return the image file that cwltool would find in its cache (CWL_SINGULARITY_CACHE), else the registry's image."""
    cache = os.environ.get(_IMAGE_CACHE)
    file = Path(cache, f"{reference.replace('/', '_')}.sif") if cache else None
    return str(file.absolute()) if file and file.is_file() else f"docker://{reference}"
