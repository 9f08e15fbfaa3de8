"""``packmill doctor``: what a machine lacks, and the command for each part."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from another_user import as_another_user
from support import Finished

from generator.machine.checks import programs, python_packages, registries, resources
from generator.machine.finding import State

Doctor = Callable[..., tuple[int, dict[str, dict[str, Any]]]]


@pytest.fixture
def doctor(packmill: Callable[..., Finished], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Doctor:
    """Runs the command on a machine whose engine does not answer; the exit code, and the checks by name."""

    def run(**variables: str) -> tuple[int, dict[str, dict[str, Any]]]:
        with monkeypatch.context() as changed:
            changed.setenv("DOCKER_HOST", "tcp://127.0.0.1:1")
            changed.setenv("HOME", str(tmp_path))
            changed.delenv("DOCKER_CONFIG", raising=False)
            for name, value in variables.items():
                changed.setenv(name, value)
            finished = packmill("doctor", "--json", "--output", tmp_path / "packages")
        report = finished.json()
        assert report["ok"] is (finished.code == 0)
        return finished.code, {one["name"]: one for one in report["checks"]}

    return run


def test_a_missing_engine_is_named_with_the_command_that_sets_it_up(doctor: Doctor) -> None:
    code, checks = doctor()

    assert code == 19
    assert checks["engine"] == {
        "name": "engine",
        "state": "missing",
        "detail": "no container engine answers",
        "fix": "packmill setup",
    }
    assert checks["git"]["state"] == "ok"
    assert not [one for one in checks.values() if one["state"] == "missing" and one["name"] != "engine"]


def test_the_exit_code_is_that_of_the_first_missing_part(doctor: Doctor, tmp_path: Path) -> None:
    (tmp_path / "apt-get").touch(mode=0o755)

    code, checks = doctor(PATH=str(tmp_path))

    assert code == 10
    assert checks["git"]["fix"].endswith("apt-get install -y git")
    assert checks["git-lfs"]["state"] == "optional"


def test_an_invalid_setting_is_missing_and_secrets_are_not_shown(doctor: Doctor) -> None:
    _, checks = doctor(PACKMILL_NETWORK="maybe")
    assert checks["settings"]["state"] == "missing"
    assert "maybe" in checks["settings"]["detail"]

    _, checks = doctor(PACKMILL_GIT_TOKEN="s3cret")
    assert checks["settings"]["detail"] == "PACKMILL_GIT_TOKEN"
    assert "s3cret" not in json.dumps(checks)


@pytest.mark.parametrize("config", ["{", "[]", '{"auths": 1}', ""])
def test_a_broken_configuration_of_docker_has_no_logins(tmp_path: Path, config: str) -> None:
    (tmp_path / "config.json").write_text(config)

    [finding] = registries.check({"DOCKER_CONFIG": str(tmp_path)})

    assert (finding.state, finding.fix) == (State.OPTIONAL, "docker login REGISTRY")


def test_logins_are_listed_without_credentials(tmp_path: Path) -> None:
    logins = {"auths": {"registry.example.org": {"auth": "czNjcmV0"}}, "credHelpers": {"gcr.example.org": "gcloud"}}
    (tmp_path / "config.json").write_text(json.dumps(logins))

    [finding] = registries.check({"DOCKER_CONFIG": str(tmp_path), "PACKMILL_REGISTRY_USER": "ada"})

    assert finding.detail == "gcr.example.org, registry.example.org, PACKMILL_REGISTRY_USER for any registry"


def test_every_extra_has_a_check_and_a_description() -> None:
    names = {one.name.removeprefix("extra ") for one in python_packages.check_extras()}

    assert names == set(python_packages._FEATURES)


def test_a_package_of_another_version_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(python_packages, "version", lambda name: "0.0.1")

    _, finding = python_packages.check_required()

    assert (finding.state, finding.exit_code) == (State.MISSING, 14)
    assert "docker is 0.0.1, needs >=7.1" in finding.detail
    assert "-m uv pip install" in finding.fix
    assert "'docker>=7.1'" in finding.fix


def test_validators_get_an_environment_of_their_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(python_packages, "_VALIDATORS", tmp_path / "validators")
    monkeypatch.setattr(python_packages, "version", lambda name: "0.0.1")

    [fix] = [one.fix for one in python_packages.check_extras() if one.name == "extra validate"]

    assert f"-m uv venv {tmp_path}/validators && " in fix
    assert f"--python {tmp_path}/validators/bin/python " in fix


@pytest.mark.parametrize(("free", "state"), [(1, State.MISSING), (5 * 1024**3, State.WARNING), (10**12, State.OK)])
def test_a_full_disk_is_reported(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, free: int, state: State) -> None:
    monkeypatch.setenv("DOCKER_HOST", "tcp://127.0.0.1:1")
    monkeypatch.setattr("shutil.disk_usage", lambda _path: type("Usage", (), {"free": free}))

    disk, _memory = resources.check(tmp_path / "not" / "yet")

    assert disk.state is state


def test_people_get_a_table_with_a_line_for_each_command(
    packmill: Callable[..., Finished], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_HOST", "tcp://127.0.0.1:1")

    finished = packmill("doctor")

    assert "fix: packmill setup\n" in finished.out
    assert finished.out.endswith("missing: engine\n")


def test_other_package_managers_are_used(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert programs.install_command("git") == ""

    (tmp_path / "brew").touch(mode=0o755)
    assert programs.install_command("git") == "brew install git"


def test_folders_that_this_user_may_not_read_are_not_checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "private" / "docker").mkdir(parents=True)
    (tmp_path / "private").chmod(0)
    tmp_path.chmod(0o755)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(resources, "storage_folder", lambda: Path("private/docker"))

    with as_another_user():
        names = [one.name for one in resources.check(Path("private/packages"))]

    assert names == ["disk of packages", "memory"]
