"""packmill's own Python packages: the required ones, and those of each extra."""

from __future__ import annotations

import platform
import shlex
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, distributions, requires, version
from importlib.util import find_spec
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
    "validate": "the validators of platforms",
}
_PYPROJECT = Path(__file__).parents[3] / "pyproject.toml"


def check_required() -> Iterator[Finding]:
    """Check the versions of Python and of the packages that packmill cannot do without."""
    yield Finding(name="packmill", state=State.OK, detail=f"{__version__}, Python {platform.python_version()}")
    if problems := _problems(_requirements().get("", [])):
        fix = pip_install(_project())
        code = EnvironmentSpecError.exit_code
        detail = "; ".join(problems)
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
            fix = pip_install(f"{_project()}[{extra}]")
            detail = f"for {feature}: {'; '.join(problems)}"
            yield Finding(name=f"extra {extra}", state=State.OPTIONAL, detail=detail, fix=fix)
        else:
            yield Finding(name=f"extra {extra}", state=State.OK, detail=f"for {feature}")


def pip_install(requirement: str) -> str:
    """Return the command that installs a Python package next to packmill."""
    pip = f"{shlex.quote(sys.executable)} -m pip install"
    if find_spec("pip") is None:  # as in environments that uv created
        pip = f"uv pip install --python {shlex.quote(sys.executable)}"
    return f"{pip} {shlex.quote(requirement)}"


def _project() -> str:
    """Return what pip installs: the clone that this is, or the name."""
    return str(_PYPROJECT.parent) if _PYPROJECT.exists() else "packmill"


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


def _problems(requirements: list[Requirement]) -> list[str]:
    """Describe the packages that are missing or of another version."""
    missing, others = [], []
    for one in requirements:
        if one.marker and not any(one.marker.evaluate({"extra": extra}) for extra in ("", *_FEATURES)):
            continue
        installed = _installed_version(one.name)
        if installed is None:
            missing.append(one.name)
        elif not one.specifier.contains(installed, prereleases=True):
            others.append(f"{one.name} is {installed}, needs {one.specifier}")
    return [f"{', '.join(missing)} not installed", *others] if missing else others


def _installed_version(name: str) -> str | None:
    """Return the version of a package, also of one in the environment of validators."""
    try:
        return version(name)
    except PackageNotFoundError:
        folders = [str(one) for one in Path(sys.prefix, "validators").glob("lib/python3*/site-packages")]
        return next((one.version for one in distributions(name=name, path=folders)), None) if folders else None
