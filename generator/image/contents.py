"""What the configuration of an image says: folders, entrypoint, and the Pythons that it has."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

default_repository_folder = "/home/jovyan"


def repository_folder(config: Mapping[str, object]) -> str:
    """Where the repository lies in an image, from the image's configuration.

    repo2docker's build packs say so in REPO_DIR; a Dockerfile of one's own usually copies it to its WORKDIR.
    """
    for variable in _strings(config.get("Env")):
        if variable.startswith("REPO_DIR=/"):
            return variable.removeprefix("REPO_DIR=").rstrip("/") or default_repository_folder
    workdir = str(config.get("WorkingDir") or "/")
    return workdir.rstrip("/") if workdir.rstrip("/") not in ("", "/root") else default_repository_folder


def start_script(config: Mapping[str, object]) -> str:
    """The repository's ``start`` by its path there, empty when it has none (repo2docker's R2D_ENTRYPOINT)."""
    top = f"R2D_ENTRYPOINT={repository_folder(config)}/"
    return next((word.removeprefix(top) for word in _strings(config.get("Env")) if word.startswith(top)), "")


def keeps_entrypoint(config: Mapping[str, object]) -> bool:
    """Whether an image's ENTRYPOINT stays: repo2docker's is replaced, because it merges stderr into stdout."""
    of_repo2docker = any("repo2docker-entrypoint" in word for word in _strings(config.get("Entrypoint")))
    has_start_script = any(variable.startswith("R2D_ENTRYPOINT=") for variable in _strings(config.get("Env")))
    return not of_repo2docker and not has_start_script


def _strings(value: object) -> list[str]:
    return [str(item) for item in value] if isinstance(value, list | tuple) else []


@dataclass(frozen=True, kw_only=True, slots=True)
class ImagePythons:
    """What the runner's layer depends on, of an environment.

    ``runner_python`` is the path of the Python that runs the runner, empty when there is none that can;
    ``kernel_python`` the name on PATH of the Python that needs a kernel, empty when it has one or is not there. The
    others tell apart what packages are chosen by. A repository's environment says all that itself, so it is checked to
    be words that mean nothing to a shell.
    """

    runner_python: str = ""
    runner_version: str = ""
    kernel_python: str = ""
    kernel_version: str = ""
    machine: str = ""
    libc: str = ""

    def texts(self) -> tuple[str, ...]:
        """All of them, in their order."""
        return (
            self.runner_python, self.runner_version, self.kernel_python, self.kernel_version, self.machine, self.libc
        )  # fmt: skip


def read_image_pythons(printed: str) -> ImagePythons:
    """The facts in what ``templates/image/probe.sh`` printed; what cannot be meant is left out."""
    said = {words[0]: words[1:] for words in map(str.split, printed.splitlines()) if words}
    path, version, machine, libc = (*said.get("runner", ()), "", "", "", "")[:4]
    name, kernel = (*said.get("kernel", ()), "", "")[:2]
    if not re.fullmatch(r"/[\w./+-]+", path) or not all(map(_is_word, (version, machine, libc))):
        path = version = machine = libc = ""
    if name not in ("python3", "python") or not _is_word(kernel):
        name = kernel = ""
    return ImagePythons(
        runner_python=path,
        runner_version=version,
        machine=machine,
        libc=libc,
        kernel_python=name,
        kernel_version=kernel,
    )


def _is_word(text: str) -> bool:
    return bool(re.fullmatch(r"[\w.+-]*", text))
