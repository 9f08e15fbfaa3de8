"""Files of pixi and conda-lock, which neither repo2docker nor packmill reads: named, or refused without others.

pixi's documentation ("Pixi manifest", "pyproject.toml"), conda-lock's ("Output").
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any

from generator.environment.configuration import ConfigurationFiles
from generator.environment.project import read_toml
from generator.shared.errors import EnvironmentSpecError
from generator.shared.safe_text import printable
from generator.shared.suggestions import list_some

_PIXI = ("pixi.toml", "pixi.lock")
_CONDA_LOCK = re.compile(r"conda-[a-z]+-[a-z0-9]+\.lock")
_WITHOUT_PACKAGES = {"apt.txt", "runtime.txt"}
_OF_PLAIN_PYTHON = {"python", "pip"}


def is_unsupported(name: str) -> bool:
    """Return whether a file of this name is one of pixi or conda-lock."""
    return name in _PIXI or _CONDA_LOCK.fullmatch(name) is not None


def conversion(name: str) -> str:
    """Return how a file of pixi or conda-lock becomes one that is read."""
    if _CONDA_LOCK.fullmatch(name):
        return (
            "write a conda-lock.yml, which is read: conda-lock lock --file environment.yml --platform linux-64\n"
            "  and commit that file, or build with --env conda-lock.yml"
        )
    return (
        "write it as an environment.yml: pixi workspace export conda-environment environment.yml\n"
        "  and commit that file, or build with --env environment.yml"
    )


def check_unsupported(found: ConfigurationFiles, used: tuple[str, ...]) -> Iterator[str]:
    """Yield remarks on files of pixi and conda-lock, where files in ``used`` or ``postBuild`` install the packages.

    Raises:
        EnvironmentSpecError: nothing that is read describes the packages, or a ``pyproject.toml`` has more for pixi.
    """
    files = sorted(name for name in found.names if is_unsupported(PurePosixPath(name).name))
    here = [name for name in files if PurePosixPath(found.folder + PurePosixPath(name).name) == PurePosixPath(name)]
    scripts = [one for one in ("Dockerfile", "postBuild", "start") if one in used]
    if found.mentions("pixi", scripts) or found.mentions("conda-lock", scripts):
        return
    packages = _for_pixi(found, used)
    installs = [one for one in used if one not in _WITHOUT_PACKAGES and one not in scripts] or "Dockerfile" in used
    if packages is not None and (packages or not installs):
        listed = f": {printable(list_some(packages, limit=5))}" if packages else ""
        where = "pyproject.toml: [tool.pixi] has dependencies"
        raise EnvironmentSpecError(f"{where} that only pixi installs{listed}\n  {conversion('pixi.toml')}")
    if here and not installs:
        verb = "describes" if len(here) == 1 else "describe"
        name = PurePosixPath(here[0]).name
        tool = "pixi" if name in _PIXI else "conda-lock"
        raise EnvironmentSpecError(
            f"{' and '.join(here)}: {verb} the environment for {tool}, which is not run\n  {conversion(name)}"
        )
    if files:
        verb, it = ("is", "it is") if len(files) == 1 else ("are", "they are")
        reads = f"{found.folder}{used[0]}" if used else "the binder folder"
        yield f"{' and '.join(files)} {verb} not read: {reads} is used, and {it} for other programs"


def _for_pixi(found: ConfigurationFiles, used: tuple[str, ...]) -> list[str] | None:
    """Return the packages that ``[tool.pixi]`` adds to a ``pyproject.toml``; None if other files are used."""
    if found.folder or found.read is None or "pyproject.toml" not in found.names:
        return None
    if any(one in used for one in ("Dockerfile", "environment.yml", "environment.yaml", "requirements.txt")):
        return None
    pixi = _table(_table(read_toml(found.text("pyproject.toml"), "pyproject.toml"), "tool"), "pixi")
    if not pixi:
        return None
    tables = [pixi, _table(_table(pixi, "target"), "linux"), _table(_table(pixi, "target"), "linux-64")]
    conda = [name for table in tables for name in _table(table, "dependencies") if name not in _OF_PLAIN_PYTHON]
    pypi = [
        name for table in tables for name, spec in _table(table, "pypi-dependencies").items() if not _is_itself(spec)
    ]
    return sorted({*conda, *pypi})


def _is_itself(spec: Any) -> bool:
    """Return whether a dependency is the project itself: ``{ path = ".", editable = true }``."""
    return isinstance(spec, Mapping) and spec.get("path") in (".", "./")


def _table(document: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    table = document.get(name)
    return table if isinstance(table, Mapping) else {}
