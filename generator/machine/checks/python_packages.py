"""packmill's own Python packages: the required ones, and those of each extra."""

from __future__ import annotations

import platform
import shlex
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, distributions, requires, version
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement

from generator import __version__
from generator.machine.finding import Finding, State
from generator.shared.errors import EnvironmentSpecError

_FEATURES = {
    "formats": "NetCDF, HDF5 and Zarr in STAC catalogs",
    "gateway": "'packmill-runner gateway --api jupyter-websocket'",
    "jupyterhub": "'packmill-runner hub'",
    "postgresql": "a database that several servers share",
    "staging": "S3, Google Cloud, Azure, SFTP and STAC on this machine",
    "tables": "Parquet tables of 'packmill map'",
    "toil": "'--engine toil' of 'packmill run' and 'packmill map'",
    "validate": "the validators of platforms",
}
_VALIDATORS = Path(sys.prefix, "validators")
_PYPROJECT = Path(__file__).parents[3] / "pyproject.toml"


def check_required() -> Iterator[Finding]:
    """Check the versions of Python and of the packages that packmill cannot do without."""
    yield Finding(name="packmill", state=State.OK, detail=f"{__version__}, Python {platform.python_version()}")
    if problems := _problems(_requirements().get("", [])):
        fix = pip_install(*problems)
        code = EnvironmentSpecError.exit_code
        detail = "; ".join(problems.values())
        yield Finding(name="Python packages", state=State.MISSING, detail=detail, fix=fix, exit_code=code)
    else:
        yield Finding(name="Python packages", state=State.OK, detail="all required ones are installed")


def check_extras() -> Iterator[Finding]:
    """Check the packages of each extra."""
    for extra, requirements in sorted(_requirements().items()):
        feature = _FEATURES.get(extra, extra)
        if not extra:
            continue
        if problems := _problems(requirements):
            fix = _install_validators(*problems) if extra == "validate" else pip_install(*problems)
            detail = f"for {feature}: {'; '.join(problems.values())}"
            yield Finding(name=f"extra {extra}", state=State.OPTIONAL, detail=detail, fix=fix)
        else:
            yield Finding(name=f"extra {extra}", state=State.OK, detail=f"for {feature}")


def pip_install(*requirements: str, python: str = sys.executable) -> str:
    """Return the command that installs Python packages, by default next to packmill; uv is one of its own packages."""
    uv = (sys.executable, "-m", "uv", "pip", "install", "--python", python)
    return shlex.join((*uv, *requirements))


def _install_validators(*requirements: str) -> str:
    """Return the commands for the environment of validators, whose packages conflict with those of packmill."""
    make = "" if _VALIDATORS.exists() else f"{shlex.join((sys.executable, '-m', 'uv', 'venv', str(_VALIDATORS)))} && "
    return make + pip_install(*requirements, python=str(_VALIDATORS / "bin" / "python"))


def _requirements() -> dict[str, list[Requirement]]:
    """Return the requirements of each extra, and of '' those that are always needed; a clone states its own."""
    if _PYPROJECT.exists():
        project = _read_project()
        extras = project.get("optional-dependencies", {})
        return {
            key: [Requirement(one) for one in lines] for key, lines in {"": project["dependencies"], **extras}.items()
        }
    found: dict[str, list[Requirement]] = {"": []}
    for requirement in map(Requirement, requires("packmill") or ()):
        marker = str(requirement.marker or "")
        extra = next((name for name in _FEATURES if f'extra == "{name}"' in marker), "")
        found.setdefault(extra, []).append(requirement)
    return found


def _read_project() -> dict[str, Any]:
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    project: dict[str, Any] = tomllib.loads(_PYPROJECT.read_text(encoding="utf-8"))["project"]
    return project


def _problems(requirements: list[Requirement]) -> dict[str, str]:
    """Map the requirements of missing packages, and of those with another version, to a description."""
    found = {}
    for one in requirements:
        if one.marker and not any(one.marker.evaluate({"extra": extra}) for extra in ("", *_FEATURES)):
            continue
        installed = _installed_version(one.name)
        if installed is None:
            found[_plain(one)] = f"{one.name} is not installed"
        elif not one.specifier.contains(installed, prereleases=True):
            found[_plain(one)] = f"{one.name} is {installed}, needs {one.specifier}"
    return found


def _plain(requirement: Requirement) -> str:
    """Return a requirement without its marker."""
    extras = f"[{','.join(sorted(requirement.extras))}]" if requirement.extras else ""
    return f"{requirement.name}{extras}{requirement.specifier}"


def _installed_version(name: str) -> str | None:
    """Return the version of a package, also of one in the environment of validators."""
    try:
        return version(name)
    except PackageNotFoundError:
        folders = [str(one) for one in _VALIDATORS.glob("lib/python3*/site-packages")]
        return next((one.version for one in distributions(name=name, path=folders)), None) if folders else None
