"""Which files describe the environment, by repo2docker's rules, which build pack they call for, and which Python.

Pure: works on the names of the files at the top of a checkout and, where a reader is given, on their texts, so that
``inspect`` can tell without an engine (https://repo2docker.readthedocs.io/en/latest/configuration/).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import PurePosixPath

from generator.environment.configuration import FILES, TOP_ONLY, Found, Kind, Read
from generator.environment.project import read_json
from generator.environment.python_version import Asked, conjunction, python_asked
from generator.notebook.parameters import Word
from generator.shared.errors import EnvironmentSpecError

_FOLDERS = ("binder", ".binder")
_MENTIONING = ("Dockerfile", "environment.yml", "environment.yaml", "requirements.txt", "install.R", "postBuild")


class BuildPack(Word):
    """Who builds the environment."""

    PLAIN_PYTHON = "plain Python, by packmill"
    DOCKERFILE = "the repository's Dockerfile, by repo2docker"
    REPO2DOCKER = "repo2docker's own build packs"


@dataclass(frozen=True, kw_only=True, slots=True)
class Environment:
    """The files that describe the environment, relative to the repository's top, and who builds it.

    ``python`` is the PEP 440 specifier of the Pythons that fit, empty when any does; ``python_from`` names the files
    that ask. ``remarks`` are sentences of what people should know: what is not read, and what is understood how.
    """

    folder: str
    files: tuple[str, ...]
    buildpack: BuildPack
    python: str = ""
    python_from: str = ""
    remarks: tuple[str, ...] = ()


def find_environment(paths: Iterable[str], read: Read | None = None, *, standard: bool = False) -> Environment:
    """The environment among a repository's files; a ``binder`` folder hides the files at the top.

    ``paths`` are the files at the top and in the binder folders; ``read`` gives a file's text, None when it has none.
    Without it ``runtime.txt`` goes to repo2docker, and no Python is asked for. ``standard`` leaves everything to
    repo2docker.

    Raises:
        EnvironmentSpecError: both ``binder`` and ``.binder`` are there, a file cannot be read, or no Python fits.
    """
    names = set(paths)
    folders = [folder for folder in _FOLDERS if any(name.startswith(folder + "/") for name in names)]
    if len(folders) > 1:
        raise EnvironmentSpecError("the repository has a 'binder' and a '.binder' folder: remove one of them")
    found = Found(folder=folders[0] + "/" if folders else "", names=frozenset(names), read=read)
    kind = found.kind(standard=standard)
    buildpack = _buildpack(found, kind, standard=standard)
    ours = buildpack is BuildPack.PLAIN_PYTHON
    used = found.used(kind, ours=ours)
    asked = python_asked(found.asking(used)) if ours and read else ()
    return Environment(
        folder=found.folder.rstrip("/"),
        files=tuple(found.folder + file for file in used),
        buildpack=buildpack,
        python=conjunction(asked),
        python_from=" and ".join(one.file for one in asked if str(one.specifier)),
        remarks=tuple(_remarks(found, kind, used, asked, buildpack)),
    )


def configuration_name(file: str) -> str:
    """The name under which repo2docker reads a file such as ``envs/environment-prod.yml`` or ``Dockerfile.gpu``.

    Raises:
        EnvironmentSpecError: it is none of the configuration files that count outside of the repository's top.
    """
    name = PurePosixPath(file).name
    if name in FILES and name not in TOP_ONLY:
        return name
    shapes = (
        (r"(?i)(.*[._-])?dockerfile|dockerfile[._-].*", "Dockerfile"),
        (r"(?i)(?!algorithm_config).*\.ya?ml", "environment.yml"),
        (r"(?i).*requirements.*\.(txt|in)", "requirements.txt"),
        (r"(?i).*pipfile\.lock", "Pipfile.lock"),
        (r"pylock\.[^.]+\.toml", "pylock.toml"),
        (r"(?i).*\.nix", "default.nix"),
    )
    for pattern, known in shapes:
        if re.fullmatch(pattern, name):
            return known
    if name in TOP_ONLY:
        raise EnvironmentSpecError(f"{file}: {name} only counts at the repository's own top")
    known_names = ", ".join(known for known in FILES if known not in TOP_ONLY)
    raise EnvironmentSpecError(
        f"{file}: not a configuration file of repo2docker\n  it reads: {known_names}\n"
        "  names such as environment-prod.yml, requirements-dev.txt or Dockerfile.gpu are understood too"
    )


def _buildpack(found: Found, kind: Kind, *, standard: bool) -> BuildPack:
    if kind.main == "Dockerfile":
        return BuildPack.DOCKERFILE
    unknown_runtime = "runtime.txt" in found.here and found.read is None
    plain = kind.main in ("", "Pipfile.lock") and "install.R" not in found.here and not unknown_runtime
    if standard or not plain or found.runtime_name(strict=True) == "r":
        return BuildPack.REPO2DOCKER
    return BuildPack.PLAIN_PYTHON


def _remarks(
    found: Found, kind: Kind, used: tuple[str, ...], asked: Iterable[Asked], buildpack: BuildPack
) -> Iterable[str]:
    folder, ours = found.folder, buildpack is BuildPack.PLAIN_PYTHON
    mentioned = {file for file in FILES if found.mentions(file, (one for one in _MENTIONING if one in used))}
    if folder:
        hidden = [file for file in FILES if file in found.names and file not in mentioned]
        if hidden:
            yield f"{folder} is used: {_are_not_read(hidden, 'at the top')}"
        misplaced = [folder + file for file in FILES if file in TOP_ONLY and folder + file in found.names]
        if misplaced:
            yield f"{_are_not_read(misplaced)}: {'it counts' if len(misplaced) == 1 else 'they count'} only at the top"
    yield from _unread(found, kind, used, mentioned, ours=ours)
    if found.runtime_name(strict=False) == "r" and not kind.main:
        yield f"{folder}runtime.txt asks for R without a day: repo2docker needs it, as in r-4.4-2025-06-02"
    if kind.main == "Pipfile" and buildpack is BuildPack.REPO2DOCKER:
        yield f"{folder}Pipfile without Pipfile.lock needs pipenv: repo2docker's own build pack takes it"
    if "Pipfile.lock" in used and ours and found.read:
        develop = read_json(found.text("Pipfile.lock"), folder + "Pipfile.lock").get("develop")
        if develop:
            yield f"{folder}Pipfile.lock: its develop section is not installed"
    yield from (one.remark for one in asked if one.remark)


def _unread(found: Found, kind: Kind, used: tuple[str, ...], mentioned: set[str], *, ours: bool) -> Iterable[str]:
    folder = found.folder
    if kind.main == "Dockerfile":
        beside = [file for file in used if file not in {"Dockerfile", "pyproject.toml", "setup.py"} | mentioned]
        if beside:
            yield f"{_are_not_read([folder + file for file in beside])} unless the Dockerfile does it"
        return
    unread = [file for file in FILES if file in found.here and file not in {*used, *mentioned}]
    if ours:
        unread = [file for file in unread if file not in ("pyproject.toml", "Pipfile")]
        if "uv.lock" in unread and not kind.main:
            unread.remove("uv.lock")
            yield "uv.lock is not read: there is no pyproject.toml with a project beside it"
    elif "install.R" in unread and not kind.main:
        unread.remove("install.R")
        yield (
            f"{folder}install.R is not read: repo2docker takes it for R only with runtime.txt (r-<version>-<date>), "
            "or with DESCRIPTION at the top"
        )
    if unread:
        reader = f"{folder}{kind.main} is used" if kind.main else "repo2docker's own build pack is used"
        yield f"{reader}: {_are_not_read([folder + file for file in unread])}"


def _are_not_read(files: list[str], where: str = "") -> str:
    listed = " and ".join(filter(None, (", ".join(files[:-1]), files[-1])))
    return " ".join(filter(None, (listed, where, "is" if len(files) == 1 else "are", "not read")))
