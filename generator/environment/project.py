"""Classify a repository by its ``pyproject.toml``, and find the notebooks of its package (PEP 517, 518, 621)."""

from __future__ import annotations

import json
import posixpath
import re
import sys
from collections.abc import Iterable, Mapping
from typing import Any

from generator.notebook.parameters import Word
from generator.shared.errors import EnvironmentSpecError

NOTEBOOKS = (".ipynb", ".qmd", ".Rmd")
"""Endings of files that are notebooks and nothing else."""
_MOST_DOTS = 1000
"""Parts of a dotted key, with whose square the time of the parser grows."""
PACKAGING_FILES = ("pyproject.toml", "setup.py", "setup.cfg", "MANIFEST.in")
_MOST_PACKAGING_TEXT = 1024**2
"""Characters of packaging files in which names of folders are searched."""
_MOST_SEARCHES = 100
"""Names of several words, such as ``my-data``, that are searched in packaging files one after the other."""


class Project(Word):
    """What a ``pyproject.toml`` has to install."""

    PACKAGE = "a package with its dependencies"
    DEPENDENCIES = "dependencies alone"
    NONE = "nothing, only settings of tools"


def read_toml(text: str, file: str) -> dict[str, Any]:
    """Parse a TOML file.

    Raises:
        EnvironmentSpecError: the text is not valid TOML; the message has the line.
    """
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib

    long = next((number for number, line in enumerate(text.split("\n"), 1) if line.count(".") > _MOST_DOTS), 0)
    if long:
        raise EnvironmentSpecError(
            f"{file} line {long}: more than {_MOST_DOTS} dots in a line, and not read; divide it"
        )
    try:
        document: dict[str, Any] = tomllib.loads(text)
    except RecursionError:
        raise EnvironmentSpecError(f"{file}: invalid TOML: nested too deeply") from None
    except ValueError as error:  # invalid TOML, and numbers that Python does not read
        raise EnvironmentSpecError(f"{file}: invalid TOML: {error}") from None
    return document


def read_json(text: str, file: str) -> dict[str, Any]:
    """Parse a JSON file that holds an object.

    Raises:
        EnvironmentSpecError: the text is not valid JSON, or not an object.
    """
    try:
        document = json.loads(text)
    except json.JSONDecodeError as error:
        raise EnvironmentSpecError(f"{file} line {error.lineno}: invalid JSON: {error.msg}") from None
    except ValueError as error:
        raise EnvironmentSpecError(f"{file}: invalid JSON: {error}") from None
    except RecursionError:
        raise EnvironmentSpecError(f"{file}: invalid JSON: nested too deeply") from None
    if not isinstance(document, dict):
        raise EnvironmentSpecError(f"{file}: not a JSON object")
    return document


def read_project(text: str, file: str = "pyproject.toml") -> Project:
    """Return what a ``pyproject.toml`` has to install.

    Without a build system it is not a package, as in uv and repo2docker: setuptools, which pip would use, refuses a
    repository whose notebooks and data are in folders of their own. ``tool.uv.package`` overrides this.

    Raises:
        EnvironmentSpecError: the text is not valid TOML, or only Poetry can install its dependencies.
    """
    document = read_toml(text, file)
    tool = _table(document, "tool")
    declared = "project" in document
    if "poetry" in tool and not declared and _table(tool, "poetry").get("package-mode") is False:
        raise EnvironmentSpecError(
            f"{file}: with package-mode = false, only Poetry can install the dependencies in [tool.poetry]\n"
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
    """Return whether a ``pyproject.toml`` describes a package that can be installed.

    Raises:
        EnvironmentSpecError: the text is not valid TOML, or only Poetry can install its dependencies.
    """
    return read_project(text) is Project.PACKAGE


def packaged_notebooks(paths: Iterable[str], texts: Mapping[str, str]) -> tuple[str, ...]:
    """List the notebooks that are, or may be, part of the project's package, sorted.

    Those below a folder with ``__init__.py``, or below one that a packaging file names, and all of them if such a file
    mentions notebooks or is very long. ``paths`` are the repository's files, ``texts`` the packaging files among them.
    Errs on the side of too many: an extra notebook only causes rebuilds, a missing one would break the package.
    """
    names = set(paths)
    notebooks = sorted(name for name in names if name.endswith(NOTEBOOKS))
    packaging_text = "\n".join(texts.get(file, "") for file in PACKAGING_FILES)
    if len(packaging_text) > _MOST_PACKAGING_TEXT or re.search(r"\b(?:ipynb|qmd|Rmd)\b", packaging_text):
        return tuple(notebooks)
    packages = {posixpath.dirname(name) for name in names if posixpath.basename(name) == "__init__.py"}
    if "" in packages:
        return tuple(notebooks)
    folders = _folders(notebooks)
    named = _mentioned({posixpath.basename(folder) for folder in folders}, packaging_text)
    packaged = set[str]()
    for folder in sorted(folders):  # after the folders above it
        above, _, name = folder.rpartition("/")
        if folder in packages or name in named or above in packaged:
            packaged.add(folder)
    return tuple(name for name in notebooks if posixpath.dirname(name) in packaged)


def _folders(files: Iterable[str]) -> set[str]:
    """Return the folders of files, and those above them; each is looked at once, since there can be very many."""
    folders = set[str]()
    for file in files:
        folder = posixpath.dirname(file)
        while folder and folder not in folders:
            folders.add(folder)
            folder = posixpath.dirname(folder)
    return folders


def _mentioned(names: set[str], text: str) -> set[str]:
    """Return the names that are in a text as words of their own, without a search for each of very many."""
    words = set(re.findall(r"\w+", text))
    found = {name for name in names if name in words}
    others = {name for name in names if not re.fullmatch(r"\w+", name) and words.issuperset(re.findall(r"\w+", name))}
    if len(others) > _MOST_SEARCHES:
        return found | others
    return found | {name for name in others if re.search(rf"\b{re.escape(name)}\b", text)}


def names_git(text: str) -> bool:
    """Return whether a ``pyproject.toml`` or ``uv.lock`` has packages that git fetches."""
    return bool(re.search(r"\bgit\+(https|ssh|file)|\bgit\s*=\s*[\"']", text))


def configures_uv(text: str) -> bool:
    """Return whether a ``pyproject.toml`` has settings for uv, which may change where uv writes files."""
    return "uv" in _table(read_toml(text, "pyproject.toml"), "tool")


def _table(document: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    table = document.get(name)
    return table if isinstance(table, Mapping) else {}
