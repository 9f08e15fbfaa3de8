"""The public name of the build pack, which users' repo2docker configurations contain."""

from __future__ import annotations

from pathlib import Path

import pytest
from repo2docker.app import Repo2Docker

from generator.buildpacks.plain_python import PlainPythonBuildPack

_CONFIGURATION = """\
from generator.buildpacks.plain_python import PlainPythonBuildPack

c.Repo2Docker.buildpacks.insert(0, PlainPythonBuildPack)
"""


def test_a_repo2docker_configuration_can_insert_the_build_pack(tmp_path: Path) -> None:
    (tmp_path / "repo2docker_config.py").write_text(_CONFIGURATION)
    app, default = Repo2Docker(), Repo2Docker().buildpacks

    app.load_config_file(str(tmp_path / "repo2docker_config"), path=None)

    assert app.buildpacks == [PlainPythonBuildPack, *default]


def test_the_build_pack_needs_repo2docker_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "requirements.txt").write_text("numpy\n")
    monkeypatch.chdir(tmp_path)

    pack = PlainPythonBuildPack(base_image="registry.example.org/python:3")

    assert pack.detect()
    assert "FROM registry.example.org/python:3 AS system" in pack.render()
