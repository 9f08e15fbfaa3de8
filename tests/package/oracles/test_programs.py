"""Validators in environments of their own: found, asked without network access, and reported if they fail."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from generator.package.oracles import programs
from generator.package.oracles.opinion import NotInstalledError, Opinion
from generator.package.oracles.programs import judge_with

Validator = Callable[[str], list[Opinion]]


@pytest.fixture
def validator(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Validator:
    """Judges a document with ``judge`` of a source text; the module that it needs is json, which every Python has."""
    inside = tmp_path / "inside"
    shutil.copytree(programs._INSIDE, inside)
    monkeypatch.setattr(programs, "_INSIDE", inside)

    def judge(source: str) -> list[Opinion]:
        (inside / "with_json.py").write_text(source)
        return judge_with("json", [tmp_path / "a document.cwl"])

    return judge


def test_a_document_has_faults_and_warnings(validator: Validator, tmp_path: Path) -> None:
    (found,) = validator("def judge(path):\n    print('noise')\n    return [path], ['a warning']")

    assert found.faults == (str(tmp_path / "a document.cwl"),)
    assert found.warnings == ("a warning",)


def test_a_validator_that_fails_rejects_the_document(validator: Validator) -> None:
    (found,) = validator("def judge(path):\n    raise KeyError('id')")

    assert found.faults == ("KeyError: 'id'",)


def test_a_validator_that_ends_early_rejects_all_documents(validator: Validator) -> None:
    (found,) = validator("import sys\nsys.exit('its own message')")

    assert found.faults == ("json ended with exit code 1: its own message",)


def test_a_validator_that_takes_too_long_is_stopped(validator: Validator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(programs, "_LONGEST", 0.5)

    (found,) = validator("import time\ntime.sleep(60)")

    assert "ended with exit code 124" in found.faults[0]


@pytest.mark.parametrize("call", ["socket.create_connection(('127.0.0.1', 9))", "socket.getaddrinfo('localhost', 80)"])
def test_a_validator_has_no_network(validator: Validator, call: str) -> None:
    (found,) = validator(f"import socket\ndef judge(path):\n    {call}")

    assert found.faults == ("OSError: network access is denied while a package is validated",)


def test_a_validator_sees_no_token_and_leaves_no_files(
    validator: Validator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PACKMILL_TOKEN", "secret")

    (found,) = validator(
        "import os, tempfile\n"
        "def judge(path):\n    return [tempfile.mkdtemp()], [x for x in os.environ if 'TOKEN' in x]"
    )

    assert found.warnings == ()
    assert not Path(found.faults[0]).exists()


def test_a_validator_that_no_python_has_is_not_installed(tmp_path: Path) -> None:
    with pytest.raises(NotInstalledError):
        judge_with("no_such_validator", [tmp_path / "x.cwl"], program="no-such-validator")


def test_a_validator_that_lacks_a_part_is_not_installed(validator: Validator) -> None:
    with pytest.raises(NotInstalledError) as raised:
        validator("def judge(path):\n    raise ImportError('validator cache warm')")

    assert raised.value.install == "validator cache warm"


def test_a_validator_is_found_by_its_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    environment = tmp_path / "pipx/venvs/validator"
    (environment / "lib/python3.12/site-packages/some_validator").mkdir(parents=True)
    (environment / "lib/python3.12/site-packages/some_validator/__init__.py").touch()
    (environment / "bin").mkdir()
    (environment / "bin/python").symlink_to(sys.executable)
    program = environment / "bin/some-validator"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/some-validator").symlink_to(program)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))

    assert programs._python_with("some_validator", "some-validator") == environment / "bin/python"
