"""Find the environment of a checkout and check its files before anything is built."""

from __future__ import annotations

import os
import posixpath
from pathlib import Path

from generator.environment.apt import read_apt
from generator.environment.environment import FOLDERS, BuildPack, Environment, find_environment
from generator.environment.project import read_toml
from generator.repository.checkout import inside, is_file, read_text, repository_files
from generator.shared.errors import EnvironmentSpecError

_TOML = ("Project.toml", "JuliaProject.toml", "Pipfile", "pyproject.toml")
_MOST, _MOST_OF_TOML = 16 << 20, 256 << 10
"""Bytes of a file that repo2docker reads; its parser of TOML takes time with the square of a text's length."""


def read_environment(folder: Path, *, standard: bool = False) -> Environment:
    """Find the environment of a checkout and check that all of its files are inside the checkout.

    Raises:
        EnvironmentSpecError: a file is a link that leaves the checkout, there are two binder folders, or a file is
            invalid.
    """
    for binder in FOLDERS:
        if (folder / binder).is_symlink() and inside(folder, binder) is None:
            raise EnvironmentSpecError(f"{binder}: a link that leaves the repository is not followed")
    environment = find_environment(repository_files(folder), lambda path: read_text(folder, path), standard=standard)
    for file in environment.files:
        if inside(folder, file) is None:
            raise EnvironmentSpecError(f"{file}: a link that leaves the repository is not followed")
    if environment.buildpack is BuildPack.PLAIN_PYTHON:
        _check_contents(folder, environment)
    else:
        _check_files_of_repo2docker(folder, environment)
    return environment


def _check_files_of_repo2docker(folder: Path, environment: Environment) -> None:
    """Check the files that repo2docker reads on this machine, whole and without limits.

    Raises:
        EnvironmentSpecError: a file is a link that leaves the checkout, is too large, or is not valid TOML.
    """
    is_theirs = environment.buildpack is BuildPack.REPO2DOCKER
    unlisted = ("Dockerfile", *([posixpath.join(environment.folder, "requirements3.txt")] if is_theirs else []))
    present = [file for file in unlisted if os.path.exists(folder / file)]  # noqa: PTH110 - has no errors
    for file in (*present, *(environment.files if is_theirs else ())):
        real, is_toml = inside(folder, file), posixpath.basename(file) in _TOML
        if real is None:
            raise EnvironmentSpecError(f"{file}: a link that leaves the repository is not followed")
        most = _MOST_OF_TOML if is_toml else _MOST
        if is_file(real) and real.stat().st_size > most:
            raise EnvironmentSpecError(f"{file}: larger than {most >> 10} KiB, and not read; make it smaller")
        if is_toml:
            read_toml(read_text(folder, file) or "", file)


def write_readably(folder: Path, environment: Environment) -> None:
    """Rewrite the files of an environment that repo2docker's build packs read as UTF-8 with LF, in packmill's clone.

    A ``conda-lock.yml``, which repo2docker does not read, is written as an ``environment.yml`` next to it.

    Raises:
        EnvironmentSpecError: that lock is not valid, or there is something else of that name.
    """
    for file in environment.files:
        if environment.buildpack is BuildPack.REPO2DOCKER and posixpath.basename(file) == "conda-lock.yml":
            from generator.environment.conda_lock import environment_of_lock

            rendered = environment_of_lock(read_text(folder, file) or "", file)
            target = folder / posixpath.dirname(file) / "environment.yml"
            if os.path.lexists(target):  # not a file, as it would be used
                raise EnvironmentSpecError(f"{file}: environment.yml next to it is not a file; rename it")
            target.write_text(rendered, encoding="utf-8")
    for file in environment.files if environment.buildpack is BuildPack.REPO2DOCKER else ():
        path, text = inside(folder, file), read_text(folder, file)
        if path is not None and text is not None and "\ufffd" not in text and text.encode() != path.read_bytes():
            path.write_bytes(text.encode())


def _check_contents(folder: Path, environment: Environment) -> None:
    """Read the files that the build will read, to report mistakes before anything is fetched or built."""
    for file in environment.files:
        name = posixpath.basename(file)
        if name == "apt.txt":
            read_apt(file, read_text(folder, file) or "")
        elif name == "requirements.txt":
            from generator.environment.requirements import read_requirements

            read_requirements(file, lambda path: read_text(folder, path))
