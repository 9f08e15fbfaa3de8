"""Find the files that describe the environment by repo2docker's rules, their build pack, and the Python they require.

Pure: works on the names of the files at the top of a checkout and, with a reader, on their texts, so that ``inspect``
needs no engine (https://repo2docker.readthedocs.io/en/latest/configuration/).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import PurePosixPath

from generator.environment.configuration import FILES, TOP_ONLY, BuildPackFiles, ConfigurationFiles, ReadText
from generator.environment.project import read_json
from generator.environment.python_version import PythonRequirement, combine_requirements, read_python_requirements
from generator.notebook.parameters import Word
from generator.shared.errors import EnvironmentSpecError

FOLDERS = ("binder", ".binder")
_DECLARING = (
    *("Dockerfile", "environment.yml", "environment.yaml", "conda-lock.yml", "Pipfile.lock", "Pipfile", "pylock.toml"),
    *("requirements.txt", "uv.lock", "pyproject.toml", "setup.py"),
)
"""Files that declare Python packages; of several, the first one decides."""
_MENTIONING = ("Dockerfile", "environment.yml", "environment.yaml", "requirements.txt", "install.R", "postBuild")


class BuildPack(Word):
    """The program that builds the environment."""

    PLAIN_PYTHON = "plain Python, by packmill"
    DOCKERFILE = "the repository's Dockerfile, by repo2docker"
    REPO2DOCKER = "repo2docker's own build packs"


@dataclass(frozen=True, kw_only=True, slots=True)
class Environment:
    """The files that describe the environment, relative to the repository's top, and the build pack for them.

    ``python`` is the PEP 440 specifier of the Pythons that fit, empty if any does; ``python_from`` names the files
    that require it. ``remarks`` tell users which files are not read and how others are interpreted.
    """

    folder: str
    files: tuple[str, ...]
    buildpack: BuildPack
    python: str = ""
    python_from: str = ""
    remarks: tuple[str, ...] = ()

    @property
    def declared_in(self) -> str:
        """The file to which a missing Python package is added; empty if no file declares packages."""
        files = {PurePosixPath(file).name: file for file in self.files}
        return next((files[name] for name in _DECLARING if name in files), "")


def find_environment(paths: Iterable[str], read: ReadText | None = None, *, standard: bool = False) -> Environment:
    """Find the environment among a repository's files; a ``binder`` folder hides the files at the top.

    ``paths`` are the files at the top and in the binder folders; ``read`` returns a file's text, or None without text.
    Without ``read``, ``runtime.txt`` is left to repo2docker, and no Python is required. ``standard`` leaves everything
    to repo2docker.

    Raises:
        EnvironmentSpecError: both ``binder`` and ``.binder`` exist, a file cannot be read, or no Python fits.
    """
    names = set(paths)
    folders = [folder for folder in FOLDERS if any(name.startswith(folder + "/") for name in names)]
    if len(folders) > 1:
        raise EnvironmentSpecError("the repository has a 'binder' and a '.binder' folder: remove one of them")
    found = ConfigurationFiles(folder=folders[0] + "/" if folders else "", names=frozenset(names), read=read)
    pack = found.build_pack(standard=standard)
    buildpack = _buildpack(found, pack, standard=standard)
    ours = buildpack is BuildPack.PLAIN_PYTHON
    used = found.used(pack, ours=ours)
    for file in ("environment.yml", "environment.yaml"):
        if read and file in used:
            from generator.environment.conda import check_conda_environment

            check_conda_environment(found.text(file), found.folder + file)
    unsupported = _check_unsupported(found, used)
    requirements = read_python_requirements(found.python_texts(used)) if ours and read else ()
    return Environment(
        folder=found.folder.rstrip("/"),
        files=tuple(found.folder + file for file in used),
        buildpack=buildpack,
        python=combine_requirements(requirements),
        python_from=" and ".join(one.file for one in requirements if str(one.specifier)),
        remarks=(*unsupported, *_remarks(found, pack, used, requirements, buildpack)),
    )


def _check_unsupported(found: ConfigurationFiles, used: tuple[str, ...]) -> tuple[str, ...]:
    """Return remarks on files of pixi and conda-lock; imports their reader only for them."""
    suspects = ("pixi.toml", "pixi.lock")
    named = any(name.endswith(suspects) or "conda-" in name for name in found.names)
    project = "pyproject.toml" in found.names and found.read and "tool.pixi" in (found.read("pyproject.toml") or "")
    if not named and not project:
        return ()
    from generator.environment.unsupported import check_unsupported

    return tuple(check_unsupported(found, used))


def configuration_name(file: str) -> str:
    """Return the name under which repo2docker reads a file such as ``envs/environment-prod.yml``.

    Raises:
        EnvironmentSpecError: the file is not a configuration file, or is only read at the repository's top.
    """
    name = PurePosixPath(file).name
    if "pixi" in name or "conda-" in name:
        from generator.environment.unsupported import conversion, is_unsupported

        if is_unsupported(name):
            raise EnvironmentSpecError(f"{file}: neither packmill nor repo2docker reads it; {conversion(name)}")
    if name in FILES and name not in TOP_ONLY:
        return name
    shapes = (
        (r"(?i)(.*[._-])?dockerfile|dockerfile[._-].*", "Dockerfile"),
        (r"(?i).*conda-lock\.ya?ml", "conda-lock.yml"),
        (r"(?i)(?!algorithm_config).*\.ya?ml", "environment.yml"),
        (r"(?i).*requirements?.*\.(txt|in)", "requirements.txt"),
        (r"(?i).*pipfile\.lock", "Pipfile.lock"),
        (r"pylock\.[^.]+\.toml", "pylock.toml"),
        (r"(?i).*\.nix", "default.nix"),
    )
    for pattern, known in shapes:
        if re.fullmatch(pattern, name):
            return known
    if name in TOP_ONLY:
        raise EnvironmentSpecError(f"{file}: {name} is only read at the repository's top")
    known_names = ", ".join(known for known in FILES if known not in TOP_ONLY)
    raise EnvironmentSpecError(
        f"{file}: not a configuration file of repo2docker\n  it reads: {known_names}\n"
        "  names such as environment-prod.yml, requirements-dev.txt or Dockerfile.gpu are understood too"
    )


def _buildpack(found: ConfigurationFiles, pack: BuildPackFiles, *, standard: bool) -> BuildPack:
    if pack.main == "Dockerfile":
        return BuildPack.DOCKERFILE
    unknown_runtime = "runtime.txt" in found.here and found.read is None
    plain = pack.main in ("", "Pipfile.lock") and "install.R" not in found.here and not unknown_runtime
    if standard or not plain or found.runtime_name(strict=True) == "r":
        return BuildPack.REPO2DOCKER
    return BuildPack.PLAIN_PYTHON


def _remarks(
    found: ConfigurationFiles,
    pack: BuildPackFiles,
    used: tuple[str, ...],
    requirements: Iterable[PythonRequirement],
    buildpack: BuildPack,
) -> Iterable[str]:
    folder, ours = found.folder, buildpack is BuildPack.PLAIN_PYTHON
    mentioned = {file for file in FILES if found.mentions(file, (one for one in _MENTIONING if one in used))}
    if folder:
        hidden = [file for file in FILES if file in found.names and file not in mentioned]
        if hidden:
            yield f"{folder} is used: {_are_not_read(hidden, 'at the top')}"
        misplaced = [folder + file for file in FILES if file in TOP_ONLY and folder + file in found.names]
        if misplaced:
            verb = "it is read" if len(misplaced) == 1 else "they are read"
            yield f"{_are_not_read(misplaced)}: {verb} only at the top"
    yield from _unread(found, pack, used, mentioned, ours=ours)
    if not pack.main and found.runtime_name(strict=False) == "r":
        yield f"{folder}runtime.txt requests R without a date; repo2docker needs one: write r-4.4-2025-06-02"
    if pack.main == "Pipfile" and buildpack is BuildPack.REPO2DOCKER:
        yield f"{folder}Pipfile without Pipfile.lock needs pipenv: repo2docker's own build pack is used"
    if "Pipfile.lock" in used and ours and found.read:
        develop = read_json(found.text("Pipfile.lock"), folder + "Pipfile.lock").get("develop")
        if develop:
            yield f"{folder}Pipfile.lock: its develop section is not installed"
    yield from (one.remark for one in requirements if one.remark)
    for file in (".dockerignore", ".containerignore"):
        if file in found.names:
            yield f"{file} is not applied: the image also has the files that it lists; remove them from the repository"


def _unread(
    found: ConfigurationFiles, pack: BuildPackFiles, used: tuple[str, ...], mentioned: set[str], *, ours: bool
) -> Iterable[str]:
    folder = found.folder
    if pack.main == "Dockerfile":
        others = [file for file in used if file not in {"Dockerfile", "pyproject.toml", "setup.py"} | mentioned]
        if others:
            yield f"{_are_not_read([folder + file for file in others])} unless the Dockerfile does it"
        return
    unread = [file for file in FILES if file in found.here and file not in {*used, *mentioned}]
    if ours:
        unread = [file for file in unread if file not in ("pyproject.toml", "Pipfile")]
        if "uv.lock" in unread and not pack.main:
            unread.remove("uv.lock")
            yield "uv.lock is not read: a pyproject.toml with a project is missing next to it"
    elif "install.R" in unread and not pack.main:
        unread.remove("install.R")
        yield (
            f"{folder}install.R is not read: repo2docker uses it only with runtime.txt (r-<version>-<date>), "
            "or with DESCRIPTION at the top"
        )
    if unread:
        reader = f"{folder}{pack.main} is used" if pack.main else "repo2docker's own build pack is used"
        yield f"{reader}: {_are_not_read([folder + file for file in unread])}"


def _are_not_read(files: list[str], where: str = "") -> str:
    listed = " and ".join(filter(None, (", ".join(files[:-1]), files[-1])))
    return " ".join(filter(None, (listed, where, "is" if len(files) == 1 else "are", "not read")))
