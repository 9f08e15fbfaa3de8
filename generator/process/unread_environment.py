"""Find files that describe an environment, but that are not read because of their folder or their name."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from generator.environment.configuration import FILES, TOP_ONLY
from generator.environment.environment import Environment, configuration_name
from generator.environment.project import Project, read_project
from generator.process.process import Process
from generator.repository.checkout import inside, is_file, read_text
from generator.shared.errors import EnvironmentSpecError
from generator.shared.safe_text import printable
from generator.shared.suggestions import list_some

_USUAL_FOLDERS = (
    *(".devcontainer", "conda", "config", "docker", "env", "environment", "environments", "envs", "requirements"),
)
_DECLARING = {file for file in FILES if file not in TOP_ONLY and "." in file} - {"apt.txt", "runtime.txt"} | {
    "Dockerfile"
}
_SIMILAR = re.compile(
    r"(?i)(conda|(micro)?mamba|env|enviro?n?ments?|conda[-_]env\w*)([-_.][\w.-]+)?\.ya?ml"
    r"|requirements?([-_.][\w.-]+)?\.(txt|in)|(.*[._-])?dockerfile([._-].*)?"
)


def describe_unread(process: Process, environment: Environment, folder: Path) -> str:
    """Warn of environment files next to the notebook, and, if nothing else declares packages, of others; or empty."""
    beside = {str(one) for one in PurePosixPath(process.path).parents} - {"."}
    places = sorted({one + binder for one in beside for binder in ("", "/binder", "/.binder")})
    names = [path for place in places for path in _files_in(folder, place)]
    projects = [f"{place}/pyproject.toml" for place in sorted(beside)]
    names += [path for path in projects if inside(folder, path) and _declares_packages(folder, path)]
    if not environment.declared_in:
        names += [path for place in (".", *_USUAL_FOLDERS) for path in _files_in(folder, place)]
    found = [path for path in dict.fromkeys(names) if path not in environment.files]
    if not found:
        return ""
    verb = "is" if len(found) == 1 else "are"
    listed = printable(list_some(found, limit=5))
    return (
        f"{listed} {verb} not read: the environment is described at the repository's top or in its binder folder; "
        f"{printable(_advise(found))}"
    )


def _advise(found: list[str]) -> str:
    """Return what to do for the first file that ``--env`` takes, or for a project that it does not take."""
    usable = next((path for path in found if posixpath.basename(path) not in TOP_ONLY), None)
    if usable is None:
        return f"declare the packages of {found[0]} there, such as in requirements.txt"
    move = "move it there" if "/" in usable else f"rename it to {configuration_name(usable)}"
    return f"build with --env {usable}, or {move}"


def _declares_packages(folder: Path, path: str) -> bool:
    """Return whether a ``pyproject.toml`` has packages to install, not only settings of tools."""
    try:
        return read_project(read_text(folder, path) or "", path) is not Project.NONE
    except EnvironmentSpecError:  # such as packages that only Poetry can install
        return True


def _files_in(folder: Path, place: str) -> Iterator[str]:
    """Yield the files in a folder of the repository that ``--env`` can use, by their path."""
    real = inside(folder, place)
    if real is None or not real.is_dir():
        return
    for name in sorted(entry.name for entry in real.iterdir() if is_file(entry)):
        if (name in _DECLARING and place != ".") or (name not in FILES and _SIMILAR.fullmatch(name)):
            try:
                configuration_name(name)
            except EnvironmentSpecError:
                continue
            yield posixpath.normpath(posixpath.join(place, name))
