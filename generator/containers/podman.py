"""Podman behind a Docker-compatible socket: its own command replaces ``docker`` for every process started from here.

repo2docker, cwltool and packmill itself run ``docker``. Podman's service supports the Docker SDK, but not builds of the
docker command, and loses exit codes of containers that are removed (podman issue 18889).
"""

from __future__ import annotations

import atexit
import os
import shutil
from pathlib import Path
from tempfile import mkdtemp

from generator.containers.engine import is_podman
from generator.resources import data_folder
from generator.shared.errors import EngineMissingError
from generator.subprocesses.commands import run

_folders: list[str] = []
"""The folder of the replacement in this process, once it is needed."""


def use_podman_command() -> bool:
    """Replace the docker command by podman if the engine is Podman; return whether it is.

    Raises:
        EngineMissingError: no engine answers, or podman's command is missing.
    """
    if not is_podman():
        return False
    if shutil.which("podman") is None:
        raise EngineMissingError(
            "podman: the engine is Podman, but its command is missing; install it (Debian: apt-get install podman)"
        )
    if not _folders:
        folder = mkdtemp(prefix="packmill-podman-")
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        shutil.copy(data_folder("templates") / "podman" / "docker", folder)
        Path(folder, "docker").chmod(0o755)
        _folders.append(folder)
    path = os.environ.get("PATH", os.defpath)
    if path.split(os.pathsep)[0] != _folders[0]:
        os.environ["PATH"] = os.pathsep.join((_folders[0], path))
    return True


def check_engine() -> None:
    """Check that images can be built, before a build starts.

    Raises:
        EngineMissingError: no engine answers, or the docker command or its buildx plugin is missing.
    """
    if use_podman_command():
        return
    if shutil.which("docker") is None:
        raise EngineMissingError(
            "docker: an engine answers, but the command is missing; install it (Debian: apt-get install docker.io), or "
            "let packmill set it up: packmill setup"
        )
    if run(("docker", "buildx", "version"), timeout=30).code != 0:
        raise EngineMissingError(
            "docker buildx: the plugin is missing; install it (https://github.com/docker/buildx#installing, Debian 13: "
            "apt-get install docker-buildx), or let packmill set it up: packmill setup"
        )
