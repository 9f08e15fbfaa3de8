"""End the containers that a job left in the engine.

A container is started by the engine, not by the job's own processes, so it survives when they are killed. Every
container of a job has the label `LABEL` with the job's ``PACKMILL_CONTAINER_LABEL`` as its value.

The shepherd runs this file by path, with that value as its argument; it uses only the standard library.
"""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable

LABEL = "org.packmill.job"
_TIMEOUT = 30.0
_SHORTAGES = (errno.EAGAIN, errno.ENOMEM, errno.EMFILE, errno.ENFILE)
_PAUSES = (0.1, 0.5, 2.0, 5.0)
"""Seconds between attempts while no process can be started."""


def end_containers(is_over: Callable[[str], bool]) -> int:
    """Kill and remove the containers of finished jobs, recognized by their label; return how many."""
    over = [name for name, value in _labeled_containers() if is_over(value)]
    if over:
        _engine("kill", *over)  # removing alone has Podman wait ten seconds for each container
        _engine("rm", "--force", "--volumes", *over)
    return len(over)


def _labeled_containers() -> list[tuple[str, str]]:
    names = _engine("ps", "--all", "--quiet", "--no-trunc", "--filter", f"label={LABEL}").split()
    shape = f'{{{{.Id}}}} {{{{index .Config.Labels "{LABEL}"}}}}'  # ps itself gives single labels with Docker alone
    lines = _engine("container", "inspect", "--format", shape, *names).splitlines() if names else []
    return [(name, value) for name, _, value in (line.partition(" ") for line in lines)]


def _engine(*words: str) -> str:
    """Return an engine command's output, empty if there is no engine; never uses an engine that a job names."""
    command: tuple[str, ...] = ("docker",)
    if shutil.which("docker") is None:
        command = ("podman", "--url", os.environ.get("DOCKER_HOST") or "unix:///run/podman/podman.sock")
    for pause in (*_PAUSES, None):
        try:
            done = subprocess.run(
                (*command, *words),
                capture_output=True,
                text=True,
                check=False,
                timeout=_TIMEOUT,
                stdin=subprocess.DEVNULL,
            )
        except subprocess.TimeoutExpired:
            break
        except OSError as error:
            if pause is None or error.errno not in _SHORTAGES:
                break
            time.sleep(pause)
        else:
            return done.stdout  # has the existing containers even if others disappeared meanwhile
    return ""


if __name__ == "__main__":
    end_containers(lambda value: value == sys.argv[1])
