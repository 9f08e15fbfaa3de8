"""The plan of a plain Python environment: the files that its build needs, and no others.

The files decide the environment's key. Notebooks are not among them, so editing one does not rebuild the environment.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from generator.environment.apt import read_apt
from generator.environment.environment import Environment
from generator.environment.pipfile_lock import read_pipfile_lock
from generator.environment.project import (
    NOTEBOOKS,
    PACKAGING_FILES,
    Project,
    configures_uv,
    names_git,
    packaged_notebooks,
    read_project,
)
from generator.environment.requirements import Requirements, read_pylock, read_requirements
from generator.environment.secret_addresses import refuse_secrets
from generator.environment.versioning import version_variables
from generator.repository.checkout import inside, read_text
from generator.repository.versions import packaging_texts

Content = Path | bytes
"""The content of a file in a build context: that of another file, or bytes."""

compilers = ("gcc", "g++", "libc6-dev", "make", "pkg-config", "python3-dev", "git", "ca-certificates")
"""Debian packages to build Python packages that have no wheel; the image does not keep them."""
PYLOCK, REQUIREMENTS_LOCK = "pylock.toml", "requirements.lock"
"""File names of locks: PEP 751's, and pip's requirements with hashes."""
git_packages = ("git", "ca-certificates")
default_uid = 1000


@dataclass(frozen=True, kw_only=True, slots=True)
class Lock:
    """A lock, which is installed without resolving dependencies: requirements with hashes, or a ``pylock.toml``."""

    name: str
    text: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Caches:
    """Names of caches: ``own`` is for builds that the environment's files can affect, ``wheels`` is shared."""

    own: str = ""
    wheels: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """How an environment is built.

    ``requirement_files`` are resolved with the package indexes in ``index_lines``, or ``lock`` is installed;
    ``uv_lock`` means that ``uv.lock`` pins the versions. ``project`` means that the repository's own package is
    installed, ``local`` that a requirement refers to files at their place in the repository, ``builds`` that a package
    is built from source, ``configured`` that the repository configures uv. ``files`` are copied into the stage that
    builds the environment, by their paths in the repository; ``repository`` are the files that ``postBuild`` gets.
    ``variables`` give a version to packages that read it from git.
    """

    base_image: str
    python: str = "python3"
    apt: tuple[str, ...] = ()
    requirement_files: tuple[str, ...] = ()
    lock: Lock | None = None
    uv_lock: bool = False
    prereleases: bool = False
    index_lines: tuple[str, ...] = ()
    project: bool = False
    local: bool = False
    builds: bool = False
    configured: bool = False
    compilers: tuple[str, ...] = ()
    post_build: str = ""
    start: str = ""
    variables: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, Content] = field(default_factory=dict)
    repository: Mapping[str, Content] = field(default_factory=dict)
    remarks: tuple[str, ...] = ()

    @property
    def needs_private_cache(self) -> bool:
        """Whether the repository can affect what is written to the cache, so that it must not be a shared one."""
        return self.builds or self.configured

    @property
    def with_compilers(self) -> Plan:
        """The plan with compilers, for packages that have no wheel."""
        return replace(self, builds=True, compilers=compilers)


def make_plan(
    folder: Path,
    environment: Environment,
    *,
    base_image: str,
    python: str = "python3",
    lock: Lock | None = None,
    version: str = "",
) -> Plan:
    """Read the plan of a checkout; ``lock`` is installed instead of the requirements in its files.

    ``version`` is for its packages that read their version from git.

    Raises:
        EnvironmentSpecError: a file of the environment is invalid, or contains a secret.
    """
    names = {path.removeprefix(environment.folder + "/"): path for path in environment.files}
    package = _project_kind(folder, names)
    requirement_files, requirements, lock = _choose_requirements(folder, names, package, lock)
    is_project = package is Project.PACKAGE and not _installs_itself(requirements)
    everything = dict(_list_files(folder)) if is_project or requirements.is_local or "postBuild" in names else {}
    in_context = _select_context_files(folder, everything) if is_project or requirements.is_local else {}
    texts = {name: read_text(folder, names[name]) or "" for name in ("pyproject.toml", "uv.lock") if name in names}
    for name, text in (*texts.items(), *requirements.files, *([(lock.name, lock.text)] if lock else [])):
        refuse_secrets(text, name)
    needs_git = requirements.needs_git or any(map(names_git, texts.values()))
    return Plan(
        base_image=base_image,
        python=python,
        apt=read_apt(names["apt.txt"], read_text(folder, names["apt.txt"]) or "") if "apt.txt" in names else (),
        requirement_files=requirement_files,
        lock=lock,
        uv_lock="uv.lock" in names and lock is None,
        prereleases=requirements.prereleases,
        index_lines=requirements.index_lines,
        project=is_project,
        local=requirements.is_local,
        builds=is_project or requirements.is_local or needs_git,
        configured=configures_uv(texts.get("pyproject.toml", "")),
        compilers=git_packages if needs_git else (),
        post_build=names.get("postBuild", ""),
        start=names.get("start", ""),
        variables=version_variables(packaging_texts(folder), version) if everything else {},
        files={**in_context, **{path: text.encode() for path, text in (*texts.items(), *requirements.files)}},
        repository=everything if "postBuild" in names else {},
        remarks=requirements.remarks,
    )


def _project_kind(folder: Path, names: Mapping[str, str]) -> Project:
    if "pyproject.toml" in names:
        return read_project(read_text(folder, "pyproject.toml") or "")
    return Project.PACKAGE if "setup.py" in names else Project.NONE


def _choose_requirements(
    folder: Path, names: Mapping[str, str], package: Project, lock: Lock | None
) -> tuple[tuple[str, ...], Requirements, Lock | None]:
    """Return the files to resolve, the requirements in them, and the lock to install instead."""

    def text(name: str) -> str:
        return read_text(folder, names[name]) or ""

    if lock is not None:
        found = read_pylock(lock.name, lock.text) if lock.name == PYLOCK else _parse_lock(lock.text)
        return (), replace(found, files=()), lock
    if PYLOCK in names:
        return (), read_pylock(names[PYLOCK], text(PYLOCK)), Lock(name=PYLOCK, text=text(PYLOCK))
    if "Pipfile.lock" in names:
        found = read_pipfile_lock(names["Pipfile.lock"], text("Pipfile.lock"))
        return (), replace(found, files=()), Lock(name=REQUIREMENTS_LOCK, text=found.files[0][1])
    requirement_files: tuple[str, ...] = ()
    requirements = Requirements(files=())
    if "requirements.txt" in names:
        requirement_files = (names["requirements.txt"],)
        requirements = read_requirements(requirement_files[0], lambda path: read_text(folder, path))
    if _installs_itself(requirements):
        return requirement_files, requirements, None
    if "pyproject.toml" in names and package is not Project.NONE:
        requirement_files += ("pyproject.toml",)
    elif package is Project.PACKAGE:
        requirement_files += ("setup.py",)
    return requirement_files, requirements, None


def _installs_itself(requirements: Requirements) -> bool:
    """Check whether the requirements contain the repository's own package, as ``-e .``."""
    # within a line: else the other bracket of each '[' would be searched in the rest of the text
    own = re.compile(r"(?m)^(?:-e[ \t]+)?\./?(?:\[[^\]\n]*\])?[ \t]*$")
    return any(own.search(text) for _, text in requirements.files)


def _parse_lock(text: str) -> Requirements:
    return read_requirements(REQUIREMENTS_LOCK, {REQUIREMENTS_LOCK: text}.get)


def _select_context_files(folder: Path, everything: Mapping[str, Path]) -> dict[str, Path]:
    """Return the files of a checkout without the notebooks that its package does not contain."""
    packaging = {name: read_text(folder, name) or "" for name in PACKAGING_FILES if name in everything}
    kept = set(packaged_notebooks(everything, packaging))
    return {path: file for path, file in everything.items() if not path.endswith(NOTEBOOKS) or path in kept}


def _list_files(folder: Path) -> Iterator[tuple[str, Path]]:
    """Yield the files of a checkout by path; links within it stay links, and links out of it are skipped."""
    for root, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if name != ".git")
        links = [name for name in folders if Path(root, name).is_symlink()]
        for name in sorted((*files, *links)):
            path = Path(root, name)
            real = inside(folder, path.relative_to(folder).as_posix())
            if name != ".git" and real is not None and real.exists():
                yield path.relative_to(folder).as_posix(), path
        folders[:] = [name for name in folders if name not in links]
