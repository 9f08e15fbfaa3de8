"""What the ``pyproject.toml`` of a repository makes of it, and which notebooks belong to it (PEP 517, 518, 621)."""

from __future__ import annotations

import json
import posixpath
import re
import sys
from collections.abc import Iterable, Mapping
from pathlib import PurePosixPath
from typing import Any

from generator.notebook.parameters import Word
from generator.shared.errors import EnvironmentSpecError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

_PACKAGING_FILES = ("pyproject.toml", "setup.py", "setup.cfg", "MANIFEST.in")


class Project(Word):
    """What there is to install."""

    PACKAGE = "a package with its dependencies"
    DEPENDENCIES = "dependencies alone"
    NONE = "nothing, only settings of tools"


def read_toml(text: str, file: str) -> dict[str, Any]:
    """The table of a TOML file.

    Raises:
        EnvironmentSpecError: it is not TOML; with the line.
    """
    try:
        document: dict[str, Any] = tomllib.loads(text)
    except RecursionError:
        raise EnvironmentSpecError(f"{file}: not TOML that can be read: nested too deeply") from None
    except ValueError as error:  # what is no TOML, and numbers that Python does not read
        raise EnvironmentSpecError(f"{file}: not TOML that can be read: {error}") from None
    return document


def read_json(text: str, file: str) -> dict[str, Any]:
    """The object of a JSON file.

    Raises:
        EnvironmentSpecError: it is not JSON, or no object.
    """
    try:
        document = json.loads(text)
    except json.JSONDecodeError as error:
        raise EnvironmentSpecError(f"{file} line {error.lineno}: not JSON that can be read: {error.msg}") from None
    except ValueError as error:
        raise EnvironmentSpecError(f"{file}: not JSON that can be read: {error}") from None
    except RecursionError:
        raise EnvironmentSpecError(f"{file}: not JSON that can be read: nested too deeply") from None
    if not isinstance(document, dict):
        raise EnvironmentSpecError(f"{file}: holds no JSON object")
    return document


def project(text: str, file: str = "pyproject.toml") -> Project:
    """What a ``pyproject.toml`` gives to install.

    Without a build system it is no package, as in uv and repo2docker: setuptools, which pip would take, refuses a
    repository whose notebooks and data lie in folders of their own. ``tool.uv.package`` says it outright.

    Raises:
        EnvironmentSpecError: it is not TOML, or its dependencies can be had through Poetry alone.
    """
    document = read_toml(text, file)
    tool = _table(document, "tool")
    declared = "project" in document
    if "poetry" in tool and not declared and _table(tool, "poetry").get("package-mode") is False:
        raise EnvironmentSpecError(
            f"{file}: with package-mode = false, only Poetry can install what [tool.poetry] asks for\n"
            "  write the dependencies under [project], or into a requirements.txt: poetry export -o requirements.txt"
        )
    if _table(tool, "poetry").get("package-mode") is False:
        return Project.DEPENDENCIES
    package = _table(tool, "uv").get("package")
    if package is False:
        return Project.DEPENDENCIES if declared else Project.NONE
    if "build-system" in document or "poetry" in tool or (declared and package is True):
        return Project.PACKAGE
    return Project.DEPENDENCIES if declared else Project.NONE


def is_package_project(text: str) -> bool:
    """Whether a ``pyproject.toml`` makes a package that can be installed.

    Raises:
        EnvironmentSpecError: it is not TOML, or its dependencies can be had through Poetry alone.
    """
    return project(text) is Project.PACKAGE


def packaged_notebooks(paths: Iterable[str], texts: Mapping[str, str]) -> tuple[str, ...]:
    """The notebooks that are, or may be, part of the project's package, sorted.

    Those below a folder with ``__init__.py``, or below one that a packaging file names, and all of them when such a
    file speaks of notebooks. ``paths`` are the repository's files, ``texts`` the packaging files among them. Rather
    one too many: it is built anew when that notebook changes, whereas one too few would be missing.
    """
    names = set(paths)
    notebooks = sorted(name for name in names if name.endswith(".ipynb"))
    said = "\n".join(texts.get(file, "") for file in _PACKAGING_FILES)
    if re.search(r"\bipynb\b", said):
        return tuple(notebooks)
    packages = {posixpath.dirname(name) for name in names if posixpath.basename(name) == "__init__.py"}
    if "" in packages:
        return tuple(notebooks)
    named = {
        folder for folder in _folders(notebooks) if re.search(rf"\b{re.escape(posixpath.basename(folder))}\b", said)
    }
    return tuple(name for name in notebooks if (packages | named).intersection(_folders([name])))


def _folders(files: Iterable[str]) -> set[str]:
    return {str(folder) for file in files for folder in PurePosixPath(file).parents} - {"."}


def names_git(text: str) -> bool:
    """Whether a ``pyproject.toml`` or ``uv.lock`` has packages that git fetches."""
    return bool(re.search(r"\bgit\+(https|ssh|file)|\bgit\s*=\s*[\"']", text))


def configures_uv(text: str) -> bool:
    """Whether a ``pyproject.toml`` has settings of uv's, by which it may say what uv writes where."""
    return "uv" in _table(read_toml(text, "pyproject.toml"), "tool")


def _table(document: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    table = document.get(name)
    return table if isinstance(table, Mapping) else {}
