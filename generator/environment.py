"""Which files describe the environment, by repo2docker's rules, and which build pack they call for.

Pure: works on the names of the files at the top of a checkout, so that ``inspect`` can tell without an engine
(https://repo2docker.readthedocs.io/en/latest/configuration/).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import PurePosixPath

from generator.errors import EnvironmentSpecError
from generator.parameters import Word

_FILES = (
    "Dockerfile",
    "Project.toml",
    "JuliaProject.toml",
    "REQUIRE",
    "default.nix",
    "DESCRIPTION",
    "install.R",
    "environment.yml",
    "Pipfile",
    "Pipfile.lock",
    "requirements.txt",
    "pyproject.toml",
    "setup.py",
    "runtime.txt",
    "apt.txt",
    "postBuild",
    "start",
)
_PLAIN_PYTHON = {"requirements.txt", "pyproject.toml", "setup.py", "apt.txt", "postBuild", "start"}
_TOP_ONLY = {"pyproject.toml", "setup.py"}
_FOLDERS = ("binder", ".binder")


class BuildPack(Word):
    """Who builds the environment."""

    PLAIN_PYTHON = "plain Python, by packmill"
    DOCKERFILE = "the repository's Dockerfile, by repo2docker"
    REPO2DOCKER = "repo2docker's own build packs"


@dataclass(frozen=True, kw_only=True, slots=True)
class Environment:
    """The files that describe the environment, relative to the repository's top, and who builds it."""

    folder: str
    files: tuple[str, ...]
    buildpack: BuildPack


def find_environment(paths: Iterable[str]) -> Environment:
    """The environment among a repository's files; a ``binder`` folder hides the files at the top.

    Raises:
        EnvironmentSpecError: both ``binder`` and ``.binder`` are there.
    """
    names = set(paths)
    folders = [folder for folder in _FOLDERS if any(name.startswith(folder + "/") for name in names)]
    if len(folders) > 1:
        raise EnvironmentSpecError("the repository has a 'binder' and a '.binder' folder: remove one of them")
    folder = folders[0] + "/" if folders else ""
    files = tuple(folder + file for file in _FILES if folder + file in names and not (folder and file in _TOP_ONLY))
    kinds = {file.removeprefix(folder) for file in files}
    if "Dockerfile" in kinds:
        buildpack = BuildPack.DOCKERFILE
    elif kinds <= _PLAIN_PYTHON:
        buildpack = BuildPack.PLAIN_PYTHON
    else:
        buildpack = BuildPack.REPO2DOCKER
    return Environment(folder=folder.rstrip("/"), files=files, buildpack=buildpack)


def configuration_name(file: str) -> str:
    """The name under which repo2docker reads a file such as ``envs/environment-prod.yml`` or ``Dockerfile.gpu``.

    Raises:
        EnvironmentSpecError: it is none of repo2docker's configuration files.
    """
    name = PurePosixPath(file).name
    if name in _FILES:
        return name
    shapes = (
        (r"(?i)(.*[._-])?dockerfile|dockerfile[._-].*", "Dockerfile"),
        (r"(?i)(?!algorithm_config).*\.ya?ml", "environment.yml"),
        (r"(?i).*requirements.*\.(txt|in)", "requirements.txt"),
        (r"(?i).*pipfile\.lock", "Pipfile.lock"),
        (r"(?i).*\.nix", "default.nix"),
    )
    for pattern, known in shapes:
        if re.fullmatch(pattern, name):
            return known
    raise EnvironmentSpecError(
        f"{file}: not a configuration file of repo2docker\n  it reads: {', '.join(_FILES)}\n"
        "  names such as environment-prod.yml, requirements-dev.txt or Dockerfile.gpu are understood too"
    )
