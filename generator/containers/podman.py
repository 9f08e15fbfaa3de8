"""Podman behind a Docker-compatible socket: its own command stands in for ``docker`` in all that is started from here.

repo2docker, cwltool and packmill itself call ``docker``. Podman's service takes what the Docker SDK says, but not what
the docker command says in a build, and loses exit codes of containers that are removed (podman issue 18889).
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
from generator.subprocesses import run

_folders: list[str] = []
"""Where the stand-in lies in this process, once it is needed."""


def use_podman_command() -> bool:
    """Puts podman in the docker command's place if the engine is Podman; whether it is.

    Raises:
        EngineMissingError: no engine answers, or podman's command is missing.
    """
    if not is_podman():
        return False
    if shutil.which("podman") is None:
        raise EngineMissingError(
            "the engine is Podman, but the podman command is missing: install it (Debian: apt-get install podman)"
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
    """Makes sure that images can be built here, before anything else is begun.

    Raises:
        EngineMissingError: no engine answers, or Docker lacks buildx; the message says what to install.
    """
    if use_podman_command():
        return
    if shutil.which("docker") is None:
        raise EngineMissingError(
            "an engine answers, but the docker command is missing: install it (Debian: apt-get install docker.io), or "
            "let packmill set it up: packmill setup"
        )
    if run(("docker", "buildx", "version"), timeout=30).code != 0:
        raise EngineMissingError(
            "Docker's buildx plugin is missing: install it (https://github.com/docker/buildx#installing, Debian 13: "
            "apt-get install docker-buildx), or let packmill set it up: packmill setup"
        )
