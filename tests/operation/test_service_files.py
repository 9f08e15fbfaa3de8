"""The compose file, the systemd unit and the wheel of ``packmill service``, judged by the programs that read them."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import uv
from ruamel.yaml import YAML
from support import Finished

from generator.operation.unit import unit_file
from generator.operation.wheel import write_wheel
from generator.shared.errors import UsageError

Packmill = Callable[..., Finished]


@pytest.fixture
def engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The address of an engine's socket that nobody answers."""
    monkeypatch.chdir(tmp_path)  # the path of a socket is short
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("e.sock")
    return f"unix://{tmp_path}/e.sock"


def test_the_compose_file_follows_the_published_schema(packmill: Packmill, engine: str, tmp_path: Path) -> None:
    for name, address in (("local", engine), ("remote", "tcp://engine.example.org:2376")):
        assert packmill("service", "compose", "--output", tmp_path / name, "--engine", address).code == 0
        file = tmp_path / name / "compose.yml"
        command = ("-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", file)
        checked = subprocess.run([sys.executable, *command], capture_output=True, text=True, check=False)
        assert checked.returncode == 0, checked.stdout


def test_the_service_of_the_compose_file_is_not_root_and_has_the_group_of_the_socket(
    packmill: Packmill, engine: str, tmp_path: Path
) -> None:
    packmill("service", "compose", "--output", tmp_path / "made", "--engine", engine, "--port", "9000")
    service = YAML(typ="safe").load(tmp_path / "made/compose.yml")["services"]["packmill"]

    assert service["group_add"] == [str((tmp_path / "e.sock").stat().st_gid)]
    assert service["volumes"] == ["/srv/packmill:/srv/packmill", f"{tmp_path}/e.sock:/var/run/docker.sock"]
    assert service["ports"] == ["127.0.0.1:9000:8080"]
    assert "user" not in service
    assert (service["read_only"], service["cap_drop"]) == (True, ["ALL"])


def test_a_remote_engine_gets_its_address_and_no_socket(packmill: Packmill, tmp_path: Path) -> None:
    packmill("service", "compose", "--output", tmp_path, "--engine", "tcp://engine.example.org:2376")
    service = YAML(typ="safe").load(tmp_path / "compose.yml")["services"]["packmill"]

    assert service["environment"]["DOCKER_HOST"] == "tcp://engine.example.org:2376"
    assert service["volumes"] == ["/srv/packmill:/srv/packmill"]
    assert "group_add" not in service


def test_tokens_are_made_once_and_are_in_no_other_file(packmill: Packmill, engine: str, tmp_path: Path) -> None:
    command = ("service", "compose", "--output", tmp_path / "made", "--engine", engine)
    first = packmill(*command)
    folder = tmp_path / "made/secrets"
    tokens = {file.name: file.read_text() for file in folder.iterdir()}
    again = packmill(*command)

    assert sorted(tokens) == ["access_token", "trigger_token"]
    assert len(set(tokens.values())) == 2
    assert {file.name: file.read_text() for file in folder.iterdir()} == tokens
    assert folder.stat().st_mode & 0o777 == 0o700
    assert len(first.out.splitlines()) == 3
    assert again.out.splitlines() == [str(tmp_path / "made/compose.yml")]
    written = (tmp_path / "made/compose.yml").read_text() + first.out + first.err
    assert not any(token in written for token in tokens.values())


def test_a_folder_of_tokens_is_closed_to_others_even_if_it_was_open(
    packmill: Packmill, engine: str, tmp_path: Path
) -> None:
    (tmp_path / "secrets").mkdir(mode=0o755)

    assert packmill("service", "compose", "--output", tmp_path, "--engine", engine).code == 0
    assert (tmp_path / "secrets").stat().st_mode & 0o777 == 0o700


def test_a_token_that_a_full_disk_left_empty_is_made_again(packmill: Packmill, engine: str, tmp_path: Path) -> None:
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets/access_token").touch(0o444)

    made = packmill("service", "compose", "--output", tmp_path, "--engine", engine)

    assert f"{tmp_path}/secrets/access_token" in made.out.splitlines()
    assert (tmp_path / "secrets/access_token").read_text()


def test_a_changed_compose_file_is_not_replaced(packmill: Packmill, engine: str, tmp_path: Path) -> None:
    (tmp_path / "compose.yml").write_bytes(b"# d\xe9j\xe0")  # in Latin-1

    refused = packmill("service", "compose", "--output", tmp_path, "--engine", engine)

    assert refused.code == 2
    assert "exists and differs" in refused.err
    assert (tmp_path / "compose.yml").read_bytes() == b"# d\xe9j\xe0"
    assert not (tmp_path / "secrets").exists()


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (("--data", "relative/data"), "give an absolute path"),
        (("--data", "/srv/a:b"), "give an absolute path"),
        (("--engine", "unix:///no/such.sock"), "start the engine"),
        (("--port", "0"), "from 1 to 65535"),
    ],
    ids=["relative", "colon", "no-socket", "port"],
)
def test_a_compose_file_that_cannot_work_is_refused(
    packmill: Packmill, engine: str, tmp_path: Path, options: tuple[str, str], problem: str
) -> None:
    refused = packmill("service", "compose", "--output", tmp_path / "made", "--engine", engine, *options)

    assert refused.code == 2
    assert problem in refused.err
    assert not (tmp_path / "made").exists()


def test_the_unit_is_valid_and_narrow(packmill: Packmill, tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed")
    file = tmp_path / "packmill.service"
    file.write_text(packmill("service", "unit").out)

    def analyze(*words: str) -> str:
        command = ("systemd-analyze", *words, str(file))
        done = subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, "LC_ALL": "C"})
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    assert not re.findall(r"(?m)^.*packmill\.service:.*$", analyze("verify", "--man=no"))
    assert "Overall exposure level" in analyze("security", "--offline=true", "--no-pager", "--threshold=20")


def test_the_unit_starts_this_packmill_and_reads_no_token_from_a_command_line() -> None:
    text = unit_file(data=Path("/var/lib/ci/packmill"), port=9000, user="ci")

    program = f"{sys.prefix}/bin/packmill"
    assert f"\nExecStart={program} serve --host 127.0.0.1 --port 9000 --data /var/lib/ci/packmill\n" in text
    assert "\nStateDirectory=ci/packmill\n" in text
    assert "PACKMILL_CI_TRIGGER_TOKEN_FILE=%d/trigger_token" in text


@pytest.mark.parametrize("data", ["/srv/packmill", "/var/lib", "/var/lib/../srv"])
def test_systemd_creates_the_data_folder_below_var_lib(data: str) -> None:
    with pytest.raises(UsageError, match="below /var/lib"):
        unit_file(data=Path(data), port=8080, user="packmill")


def test_the_wheel_is_the_code_that_runs_and_has_the_same_bytes_each_time(tmp_path: Path) -> None:
    """Installed alone: the packages that it needs are those of this environment."""
    (tmp_path / "again").mkdir()
    wheel, again = write_wheel(tmp_path), write_wheel(tmp_path / "again")
    command = (uv.find_uv_bin(), "pip", "install", "--quiet", "--no-deps", "--offline", "--target", tmp_path / "site")
    subprocess.run([*map(str, command), str(wheel)], check=True)
    packages = [path for path in sys.path if path.endswith("site-packages")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path / "site"), *packages])}
    code = "import generator.resources as r; print(r.is_installed(), r.data_folder('templates').is_dir(), r.__file__)"
    ran = subprocess.run(
        [sys.executable, "-S", "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
    )

    assert wheel.read_bytes() == again.read_bytes()
    assert ran.stdout.split() == ["True", "True", f"{tmp_path}/site/generator/resources.py"]
    assert os.access(tmp_path / "site/generator/checkout/build.sh", os.X_OK)
