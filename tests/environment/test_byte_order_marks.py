"""Byte order marks at the beginning of every file that is read."""

from __future__ import annotations

from pathlib import Path

import pytest

from generator.environment.checkout import read_environment, write_readably
from generator.image.environment.plan import make_plan
from generator.package.job_file import read_job
from generator.process.process import read_process
from generator.runner.packaged.values import read_inputs

_BOM = "\ufeff"


def test_apt_runtime_and_pyproject_are_read(tmp_path: Path) -> None:
    (tmp_path / "apt.txt").write_text(f"{_BOM}jq\r\n")
    (tmp_path / "runtime.txt").write_text(f"{_BOM}python-3.11\r\n")
    (tmp_path / "pyproject.toml").write_text(f'{_BOM}[project]\nname = "a"\nversion = "1"\ndependencies = ["six"]\n')

    environment = read_environment(tmp_path)
    plan = make_plan(tmp_path, environment, base_image="base")

    assert environment.python == "==3.11.*"
    assert plan.apt == ("jq",)
    assert plan.files["pyproject.toml"] == b'[project]\nname = "a"\nversion = "1"\ndependencies = ["six"]\n'


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_files_of_repo2docker_are_rewritten_for_it(encoding: str, tmp_path: Path) -> None:
    (tmp_path / "environment.yml").write_text("dependencies:\r\n- python\r\n", encoding=encoding, newline="")
    (tmp_path / "apt.txt").write_text("jq\n", encoding=encoding)

    write_readably(tmp_path, read_environment(tmp_path))

    assert (tmp_path / "environment.yml").read_bytes() == b"dependencies:\n- python\n"
    assert (tmp_path / "apt.txt").read_bytes() == b"jq\n"


def test_job_files_and_inputs_are_read(tmp_path: Path) -> None:
    (tmp_path / "job.yml").write_text(f"{_BOM}n: 1\n")
    (tmp_path / "inputs.json").write_text(f'{_BOM}{{"n": 1}}')

    assert read_job(tmp_path / "job.yml") == {"n": 1}
    assert read_inputs(tmp_path / "inputs.json") == {"n": 1}


def test_an_algorithm_config_is_read(tmp_path: Path) -> None:
    (tmp_path / "run.sh").write_text("echo hi\n")
    (tmp_path / "algorithm_config.yml").write_text(f"{_BOM}inputs:\n  file:\n  - name: a\n    default: b\n")

    assert [one.name for one in read_process(tmp_path, "run.sh").interface.inputs] == ["a"]
