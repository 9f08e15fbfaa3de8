"""Networks of builds and steps on a real engine: private networks, metadata and the host are out of reach."""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from ci_service import Service, make_project
from support import Finished, commit_all, write_notebook
from waiting import wait_until

from generator.containers import networks
from generator.image.walls import check_dockerfile
from generator.request.settings import Settings, read_settings
from generator.shared.errors import EnvironmentSpecError

pytestmark = [
    pytest.mark.group("walls"),
    pytest.mark.engine,
    pytest.mark.slow,
    pytest.mark.skipif(
        os.geteuid() != 0 or shutil.which("ip") is None, reason="networks are made by root with iproute2"
    ),
]
_PORT = 18577
_NEIGHBOR, _METADATA = "10.213.77.2", "169.254.169.254"
_HOST, _HOST_PUBLIC = "10.213.77.1", "198.51.100.77"
_ALL = (_NEIGHBOR, _METADATA, _HOST, _HOST_PUBLIC)
_CONTAINERS = ("172.16.0.0/12", "192.168.0.0/16")
"""Where engines take the subnets of their bridges from."""
_TABLE = "7713"
_PROBE = f"""\
import socket
found = dict()
for host in {_ALL}:
    try:
        socket.create_connection((host, {_PORT}), 3).close()
        found[host] = 'reached'
    except OSError:
        found[host] = 'rejected'
"""


@pytest.fixture(scope="module")
def neighbors(engine: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A network namespace with a private address and a metadata service, and servers on two addresses of the host.

    Only what containers send takes the way to that metadata service.
    """
    space, outer, inner = (f"pm{kind}{secrets.token_hex(3)}" for kind in ("s", "o", "i"))
    inside = ("-n", space)
    _remove_leftovers()
    with ExitStack() as stack:
        _ip("netns", "add", space)
        stack.callback(_ip, "netns", "delete", space)
        _ip("link", "add", outer, "type", "veth", "peer", "name", inner, "netns", space)
        for address in (f"{_HOST}/24", f"{_HOST_PUBLIC}/32"):
            _ip("address", "add", address, "dev", outer)
        _ip("link", "set", outer, "up")
        for address in (f"{_NEIGHBOR}/24", f"{_METADATA}/32"):
            _ip(*inside, "address", "add", address, "dev", inner)
        for device in ("lo", inner):
            _ip(*inside, "link", "set", device, "up")
        _ip("route", "add", _METADATA, "via", _NEIGHBOR, "dev", outer, "table", _TABLE)
        for network in _CONTAINERS:
            rule = ("from", network, "to", _METADATA, "lookup", _TABLE)
            _ip("rule", "add", *rule)
            stack.callback(_ip, "rule", "delete", *rule)
        folder = tmp_path_factory.mktemp("served")
        for bind, before in (("0.0.0.0", ("ip", "netns", "exec", space)), (_HOST, ()), (_HOST_PUBLIC, ())):
            command = [*before, sys.executable, "-m", "http.server", str(_PORT), "--bind", bind, "-d", str(folder)]
            server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            stack.callback(server.wait)
            stack.callback(server.terminate)
        for address in (_NEIGHBOR, _HOST, _HOST_PUBLIC):
            _wait_for(address)
        yield


@pytest.fixture
def walls(neighbors: None, base_image: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """Asks for walls in this test, or takes them down; what it sets on the engine is removed."""
    before = subprocess.run(["docker", "network", "inspect", networks.name], capture_output=True, check=False)
    if before.returncode == 0:
        pytest.skip("this engine has walls of its own")

    def ask(network: str, allow: str = "") -> None:
        monkeypatch.setenv("PACKMILL_NETWORK", network)
        monkeypatch.setenv("PACKMILL_NETWORK_ALLOW", allow)
        if network == "open":
            networks.remove_walls(helper_image=lambda: base_image)

    yield ask
    networks.remove_walls(helper_image=lambda: base_image)
    assert "PACKMILL" not in _iptables("-S")


def _remove_leftovers() -> None:
    """Remove the namespaces, routes and rules of a run that was killed."""
    for space in subprocess.run(("ip", "netns", "list"), capture_output=True, text=True, check=True).stdout.split():
        if re.fullmatch(r"pms[0-9a-f]{6}", space):
            _ip("netns", "delete", space)
    while subprocess.run(("ip", "rule", "delete", "lookup", _TABLE), capture_output=True, check=False).returncode == 0:
        pass
    subprocess.run(("ip", "route", "flush", "table", _TABLE), capture_output=True, check=False)


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True)


def _rules() -> list[str]:
    """The rules of the chains that packmill writes; Docker writes others for containers and networks of any test."""
    return [line for line in _iptables("-S").splitlines() if "PACKMILL" in line or "DOCKER-USER" in line]


def _iptables(*words: str) -> str:
    return subprocess.run(["iptables", *words], check=True, capture_output=True, text=True).stdout


def _wait_for(address: str) -> None:
    wait_until(lambda: _answers(f"http://{address}:{_PORT}"), message=f"the server at {address} answers")


def _answers(address: str) -> bool:
    try:
        urllib.request.urlopen(address).close()
    except OSError:
        return False
    return True


def test_steps_reach_registries_and_what_is_allowed(
    walls: Callable[..., None], repository: Path, tmp_path: Path, packmill: Callable[..., Finished]
) -> None:
    download = "import subprocess, sys\nsubprocess.run([sys.executable, '-m', 'pip', 'download', '-q', '--no-deps', "
    write_notebook(
        repository / "process.ipynb",
        "n = 1  # type: int",
        f"{_PROBE}import json\nopen('found.json', 'w').write(json.dumps(found))",
        f"{download}'-d', 'wheels', 'six'], check=True)",
    )
    (repository / "requirements.txt").write_text("pip\n")
    commit_all(repository)

    def found(name: str) -> dict[str, str]:
        ran = packmill("run", package, "--outdir", tmp_path / name)
        assert ran.code == 0, ran.err
        assert list((tmp_path / name / "output" / "wheels").glob("six-*.whl")), "the registry is reached"
        answers: dict[str, str] = json.loads((tmp_path / name / "output" / "found.json").read_text())
        return answers

    walls("guarded")
    built = packmill("build", repository, "--network", "--output", tmp_path / "packages", "--json")
    assert built.code == 0, built.err
    package = Path(built.json()["package"])
    assert packmill("setup").code == 0
    _iptables("-F", "PACKMILL-STEPS")
    _iptables("-I", "DOCKER-USER", "1", "-i", "packmill-none", "-j", "ACCEPT")
    try:
        assert found("flushed") == dict.fromkeys(_ALL, "rejected"), "rules that were flushed are set again"
    finally:
        _iptables("-D", "DOCKER-USER", "-i", "packmill-none", "-j", "ACCEPT")
    walls("guarded", f"192.0.2.77 {_NEIGHBOR}")
    assert found("allowed") == {**dict.fromkeys(_ALL, "rejected"), _NEIGHBOR: "reached"}
    walls("open")
    assert found("open") == dict.fromkeys(_ALL, "reached")


def test_builds_reach_registries_and_what_is_allowed(
    walls: Callable[..., None], base_image: str, repository: Path, tmp_path: Path, packmill: Callable[..., Finished]
) -> None:
    write_notebook(repository / "process.ipynb", "n = 1  # type: int")
    (repository / "probe.py").write_text(f"{_PROBE}print(*found.values())\n")

    def found() -> list[str]:
        once = secrets.token_hex(4)  # otherwise the builder remembers the step
        (repository / "Dockerfile").write_text(
            f"FROM {base_image}\nCOPY probe.py /\nRUN apt-get update -qq && echo apt works {once}\n"
            f"RUN python3 /probe.py; echo {once}; exit 7\n"
        )
        commit_all(repository)
        built = packmill("build", repository, "--output", tmp_path / "packages")
        assert built.code == 15, built.err
        assert f"apt works {once}" in built.err
        return next(
            line.split()[-len(_ALL) :] for line in built.err.splitlines() if line.endswith(("reached", "rejected"))
        )

    walls("open")
    assert found() == ["reached"] * len(_ALL)
    walls("guarded")
    assert found() == ["rejected"] * len(_ALL)
    walls("guarded", f"{_HOST}/32 {_METADATA}")
    assert found() == ["rejected", "reached", "reached", "rejected"]


def test_a_dockerfile_does_not_have_the_engine_fetch(
    walls: Callable[..., None], base_image: str, repository: Path, packmill: Callable[..., Finished]
) -> None:
    write_notebook(repository / "process.ipynb", "n = 1  # type: int")
    (repository / "Dockerfile").write_text(f"FROM {base_image}\nADD http://{_HOST}:{_PORT}/x /x\n")
    commit_all(repository)
    walls("guarded")

    built = packmill("build", repository)

    assert built.code == 14, built.err
    assert f"ADD http://{_HOST}:{_PORT}/x /x" in built.err


def test_a_base_image_does_not_have_the_engine_fetch(
    walls: Callable[..., None], base_image: str, repository: Path, tmp_path: Path, packmill: Callable[..., Finished]
) -> None:
    base, line = f"packmill-tests-{secrets.token_hex(4)}", f"ADD http://{_HOST}:{_PORT}/x /x"
    (tmp_path / "Dockerfile").write_text(f"FROM {base_image}\nONBUILD {line}\n")
    subprocess.run(["docker", "buildx", "build", "--quiet", "--load", "--tag", base, tmp_path], check=True)
    write_notebook(repository / "process.ipynb", "n = 1  # type: int")

    def built(reference: str) -> Finished:
        (repository / "Dockerfile").write_text(f"ARG BASE={reference}\nFROM $BASE\n")
        commit_all(repository)
        return packmill("build", repository)

    walls("guarded")
    try:
        trigger = built(base)
    finally:
        subprocess.run(["docker", "rmi", base], check=True, capture_output=True)
    private = built(f"{_NEIGHBOR}:{_PORT}/ada/trees")

    assert (trigger.code, private.code) == (14, 14), trigger.err
    assert f"base image {base}: the container engine would fetch" in trigger.err
    assert line in trigger.err
    assert "its registry is unknown or in a private network" in private.err


def test_a_user_of_the_engine_who_is_not_root_sets_the_same_rules(
    walls: Callable[..., None], base_image: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = read_settings({"PACKMILL_NETWORK": "guarded", "PACKMILL_STAGE_ALLOW": _NEIGHBOR})
    networks.step_network(settings, helper_image=lambda: base_image)
    direct = _rules()
    _iptables("-F", "PACKMILL-STEPS")

    with monkeypatch.context() as unprivileged:
        unprivileged.setattr(os, "geteuid", lambda: 1000)
        networks.step_network(settings, helper_image=lambda: base_image)

    assert _rules() == direct
    assert f"-A PACKMILL-STEPS -d {_NEIGHBOR}/32 -j RETURN" in direct, (
        "stores that the guard lets through are reachable"
    )


def test_a_wall_that_cannot_be_made_ends_the_run(
    walls: Callable[..., None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, packmill: Callable[..., Finished]
) -> None:
    subprocess.run(["docker", "network", "create", networks.name], check=True, capture_output=True)
    walls("guarded")
    try:
        ran = packmill("run", tmp_path)
    finally:
        subprocess.run(["docker", "network", "rm", networks.name], check=True, capture_output=True)

    assert ran.code == 19
    assert "not created by packmill" in ran.err


def test_a_service_for_others_sets_the_walls_before_its_first_job(walls: Callable[..., None], tmp_path: Path) -> None:
    project = make_project(tmp_path / "ada" / "toy")
    (project / "build.sh").write_text("true\n")
    commit_all(project)
    service = Service(project, tmp_path / "data", "--external-url", "https://packmill.example.org")
    for name in ("PACKMILL_NETWORK", "PACKMILL_STAGE_GUARD"):
        service.environment.pop(name, None)
    service.start()
    try:
        service.wait(service.trigger())
        assert "-N PACKMILL-BUILDS" in _iptables("-S")
    finally:
        service.stop()


def test_setup_makes_the_walls_and_removes_them(
    walls: Callable[..., None], monkeypatch: pytest.MonkeyPatch, packmill: Callable[..., Finished]
) -> None:
    walls("guarded")
    assert packmill("setup").code == 0
    made = _iptables("-S")
    monkeypatch.setenv("PACKMILL_NETWORK", "open")
    assert packmill("setup").code == 0

    for bridge in ("packmill-", "docker0"):
        assert f"-A INPUT -i {bridge}" in made
        assert f"-A DOCKER-USER -i {bridge}" in made
    assert "PACKMILL" not in _iptables("-S")


@pytest.mark.parametrize("in_base", [False, True])
def test_an_image_to_copy_from_is_checked_as_a_base(in_base: bool, base_image: str, tmp_path: Path) -> None:
    dockerfile, line = tmp_path / "Dockerfile", f"COPY --from={_NEIGHBOR}:{_PORT}/ada/trees /x /x"
    base = f"packmill-tests-{secrets.token_hex(4)}"
    dockerfile.write_text(f"FROM {base_image}\n" + (f"ONBUILD {line}\n" if in_base else ""))
    subprocess.run(["docker", "buildx", "build", "--quiet", "--load", "--tag", base, tmp_path], check=True)
    dockerfile.write_text(f"FROM {base}\n" + ("" if in_base else f"{line}\n"))

    try:
        with pytest.raises(EnvironmentSpecError, match=r"ada/trees: its registry is unknown or in a private network"):
            check_dockerfile(dockerfile, Settings(network="guarded"), print)
    finally:
        subprocess.run(["docker", "rmi", base], check=True, capture_output=True)
