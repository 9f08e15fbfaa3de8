"""Files of pixi and conda-lock are used or named, and refused where nothing else describes the environment."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from repo2docker.buildpacks import CondaBuildPack

from generator.environment.checkout import read_environment, write_readably
from generator.environment.conda_lock import environment_of_lock
from generator.environment.environment import BuildPack, Environment, configuration_name, find_environment
from generator.environment.requested import place
from generator.shared.errors import EnvironmentSpecError

_LOCK = (Path(__file__).parent / "locks" / "conda-lock.yml").read_text()
_PROJECT = "[project]\nname = 'x'\nversion = '1'\ndependencies = ['numpy']\n"
_PIXI = "[tool.pixi.workspace]\nchannels = ['conda-forge']\n[tool.pixi.dependencies]\npython = '3.12.*'\n"
_ITSELF = "[tool.pixi.pypi-dependencies]\nx = { path = '.', editable = true }\n"


def find(**files: str) -> Environment:
    named = {name.replace("__", ".").replace("_I_", "/").replace("_D_", "-"): text for name, text in files.items()}
    return find_environment(named, named.get)


def test_a_lock_is_rendered_as_by_conda_lock() -> None:
    """``rendered.yml`` was written by ``conda-lock render --kind env --platform linux-64`` of conda-lock 4.0.3."""
    peer = yaml.safe_load((Path(__file__).parent / "locks" / "rendered.yml").read_text())

    assert yaml.safe_load(environment_of_lock(_LOCK, "conda-lock.yml", machine="x86_64")) == peer


def test_repo2docker_reads_what_is_written_for_a_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "conda-lock.yml").write_text(_LOCK.replace("osx-64", "linux-aarch64"))
    environment = read_environment(tmp_path)
    write_readably(tmp_path, environment)
    monkeypatch.chdir(tmp_path)

    pack = CondaBuildPack("example.org/base")

    assert environment.files == ("conda-lock.yml",)
    assert environment.buildpack is BuildPack.REPO2DOCKER
    assert pack.detect()
    assert pack.python_version == "3.12"


def test_a_lock_may_be_requested(tmp_path: Path) -> None:
    (tmp_path / "locks").mkdir()
    (tmp_path / "locks" / "prod.conda-lock.yml").write_text(_LOCK.replace("osx-64", "linux-aarch64"))
    (tmp_path / "requirements.txt").write_text("numpy\n")

    place("locks/prod.conda-lock.yml", tmp_path)
    environment = read_environment(tmp_path)
    write_readably(tmp_path, environment)

    assert environment.files == (".binder/conda-lock.yml",)
    assert "python=3.12.7=" in (tmp_path / ".binder" / "environment.yml").read_text()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("version: 1\n", "not a lock file of version 1"),
        ("- a\n", "not a lock file of conda-lock"),
        ("a: b: c\n", "line 1: "),
        (
            _LOCK.replace("linux-64", "win-64"),
            "has no packages for linux-64; add them: conda-lock lock --pl",
        ),
        (_LOCK.replace("version: 2.1.3", "version: [1]"), "package numpy: 'version' is not a text"),
        (_LOCK.replace("url: conda-forge", "url: https://$TOKEN@example.org/c"), "a channel needs a user or a token"),
    ],
)
def test_a_lock_that_cannot_be_rendered_is_refused(text: str, message: str) -> None:
    with pytest.raises(EnvironmentSpecError) as refusal:
        environment_of_lock(text, "conda-lock.yml", machine="x86_64")

    assert str(refusal.value).startswith("conda-lock.yml")
    assert message in str(refusal.value)


@pytest.mark.parametrize(
    "files",
    [
        {"pixi__toml": ""},
        {"pixi__lock": "version: 6\n", "apt__txt": "", "runtime__txt": "python-3.12"},
        {"pyproject__toml": _PIXI},
        {"pyproject__toml": _PROJECT + _PIXI + "gdal = '*'\n"},
        {"pyproject__toml": _PROJECT + _PIXI + "[tool.pixi.target.linux-64.dependencies]\ngdal = '*'\n"},
        {"pyproject__toml": _PROJECT + _PIXI + "[tool.pixi.pypi-dependencies]\npandas = '*'\n"},
        {"conda_D_linux_D_64__lock": "@EXPLICIT\n"},
    ],
)
def test_what_only_another_tool_installs_is_refused(files: dict[str, str]) -> None:
    with pytest.raises(EnvironmentSpecError) as refusal:
        find(**files)

    asked = "pixi workspace export conda-environment" if "linux" not in next(iter(files)) else "conda-lock lock --file"
    assert asked in str(refusal.value)


@pytest.mark.parametrize(
    ("files", "remarks"),
    [
        (
            {"pixi__toml": "", "pixi__lock": "", "requirements__txt": "numpy\n"},
            ["pixi.lock and pixi.toml are not read: requirements.txt is used, and they are for other programs"],
        ),
        (
            {"pixi__lock": "", "binder_I_requirements__txt": "numpy\n"},
            ["pixi.lock is not read: binder/requirements.txt is used, and it is for other programs"],
        ),
        ({"pyproject__toml": _PROJECT + _PIXI + _ITSELF}, []),
        ({"pixi__toml": "", "Dockerfile": "FROM x\nCOPY pixi.toml .\nRUN pixi install\n"}, []),
        ({"pixi__toml": "", "postBuild": "#!/bin/sh\npixi install --locked\n"}, []),
        (
            {"conda_D_lock__yml": _LOCK, "environment__yml": "name: x\n"},
            ["environment.yml is used: conda-lock.yml is not read"],
        ),
    ],
)
def test_what_is_not_read_is_named_once(files: dict[str, str], remarks: list[str]) -> None:
    assert [one for one in find(**files).remarks if "pixi" in one or "conda-lock" in one] == remarks


@pytest.mark.parametrize("name", ["pixi.toml", "envs/pixi.lock", "conda-linux-64.lock"])
def test_they_cannot_be_requested(name: str) -> None:
    with pytest.raises(EnvironmentSpecError, match="neither packmill nor repo2docker reads it; write"):
        configuration_name(name)
