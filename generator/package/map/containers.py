"""How the containers of a map start; each runs rows of the process one after another (`row_container`)."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from generator.containers.limits import ContainerLimits
from generator.package.map.files import mount_option
from generator.package.map.tool import Tool
from generator.shared import contract
from generator.shared.write_limits import WriteLimits
from generator.subprocesses.commands import run
from generator.subprocesses.interruptions import deferred_interruptions

_LABEL = "org.packmill.map"
_REMOVED = ("No such container", "is already in progress")
"""What Docker reports of a container that `docker run --rm` removes itself."""
ROWS = "/packmill/rows"
TEMPORARY = "/tmp"  # noqa: S108 - in the container, where it is a folder of its own


@dataclass(frozen=True, kw_only=True, slots=True)
class ContainerPlan:
    """How the containers of one map start."""

    tool: Tool
    work: Path
    """The folder with a folder for each container, in which its rows leave their results; on the host."""
    limits: ContainerLimits
    network: str | None = None
    variables: tuple[str, ...] = ()
    """Names of variables that containers get."""
    way: str = "auto"
    label: str = ""
    program: str = "docker"
    """The command that starts containers: docker or podman."""

    def command(
        self,
        mounts: Iterable[str],
        *,
        rows: Path,
        temporary: Path,
        memory: float = 1,
        name: str = "",
        one: bool = False,
    ) -> tuple[str, ...]:
        """Return the command that starts a container.

        ``mounts`` are the options of the input files, ``rows`` and ``temporary`` the container's own folders;
        ``memory`` multiplies its limit; ``name`` is the container's, if it is to be known; with ``one``, it runs one
        row alone.
        """
        limits = replace(self.limits, memory=int(self.limits.memory * memory))
        network = (f"--network={self.network}",) if self.network else ()
        return (
            *(self.program, "run", "--interactive", "--rm", "--read-only", "--log-driver=none"),
            # Podman's init is a package that nodes may lack; the runner collects ended processes itself.
            *(("--init",) if self.program == "docker" else ()),
            *((f"--name={name}",) if name else ()),
            *(network if self.tool.needs_network else ("--network=none",)),
            f"--user={os.getuid()}:{os.getgid()}",
            mount_option(rows, ROWS),
            mount_option(temporary, TEMPORARY),
            *mounts,
            *limits.options(ram=self.tool.ram * memory, cores=self.tool.cores),
            *(f"--env=HOME={TEMPORARY}", f"--env=TMPDIR={TEMPORARY}"),
            *(f"--workdir={ROWS}", f"--label={map_label(self.label)}"),
            *(f"--env={variable}" for variable in self.variables),
            *(self.tool.image, *self.runner(one=one)),
        )

    @property
    def writing(self) -> WriteLimits:
        """What a row may write."""
        return self.limits.writing(disk=self.tool.disk)

    def runner(self, *, one: bool = False) -> tuple[str, ...]:
        """Return the command in the container; with ``one``, for one row alone."""
        return (
            *("packmill-runner", "rows", *self.tool.arguments),
            *(contract.output_option, ROWS, "--way", self.way, "--no-progress-bar"),
            *(("--timeout", f"{self.tool.time:g}") if self.tool.time else ()),
            *(("--one",) if one else ()),
        )


def map_label(label: str) -> str:
    """Return the label of the containers of a map."""
    return f"{_LABEL}={label}"


def remove_containers(label: str, say: Callable[[str], None]) -> None:
    """Remove the containers of a map: those that an interrupted one left. A second Ctrl-C takes effect afterwards."""
    with deferred_interruptions():
        found = run(("docker", "ps", "--all", "--quiet", "--filter", f"label={_LABEL}={label}"), timeout=60, apart=True)
        if left := found.stdout.split():
            removed = run(("docker", "rm", "--force", "--volumes", *left), timeout=120, apart=True)
            if removed.code != 0 and not any(words in removed.stderr for words in _REMOVED):
                say(f"containers of an earlier map cannot be removed: {removed.stderr.strip()}")
