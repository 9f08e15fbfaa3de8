"""End the containers that a job left in the engine.

The engine starts a container, not the job's own processes, so it goes on when they are killed. Every container of a job
has the label `LABEL` with the job's ``PACKMILL_CONTAINER_LABEL`` as its value.

The shepherd runs this file by path, with the value as its argument; it needs the standard library alone.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable

LABEL = "org.packmill.job"
_TIMEOUT = 30.0


def end_containers(is_over: Callable[[str], bool]) -> int:
    """Kill and remove the containers whose label's value is that of a job that is over; return how many."""
    over = [name for name, value in _labeled() if is_over(value)]
    if over:
        _engine("rm", "--force", "--volumes", *over)
    return len(over)


def _labeled() -> list[tuple[str, str]]:
    names = _engine("ps", "--all", "--quiet", "--no-trunc", "--filter", f"label={LABEL}").split()
    shape = f'{{{{.Id}}}} {{{{index .Config.Labels "{LABEL}"}}}}'  # ps itself gives single labels with Docker alone
    lines = _engine("container", "inspect", "--format", shape, *names).splitlines() if names else []
    return [(name, value) for name, _, value in (line.partition(" ") for line in lines)]


def _engine(*words: str) -> str:
    """Ask the engine of this process's environment, never one that a job names; an engine that is away has nothing."""
    command: tuple[str, ...] = ("docker",)
    if shutil.which("docker") is None:
        command = ("podman", "--url", os.environ.get("DOCKER_HOST") or "unix:///run/podman/podman.sock")
    try:
        done = subprocess.run(
            (*command, *words), capture_output=True, text=True, check=False, timeout=_TIMEOUT, stdin=subprocess.DEVNULL
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout  # of containers that are there, also when others went meanwhile


if __name__ == "__main__":
    end_containers(lambda value: value == sys.argv[1])
