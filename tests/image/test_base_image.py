"""The choice of a base image, with a fake engine and registry."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from types import SimpleNamespace

import pytest

from generator.containers import engine
from generator.containers.engine import Image
from generator.image.base import debian as debian_base
from generator.image.base import find as base_image
from generator.image.base.find import ensure_base_image, find_base
from generator.image.environment.context import plan_key
from generator.image.environment.plan import Plan
from generator.image.keys import runner_key, staging_key
from generator.image.pythons import ImagePythons
from generator.shared.errors import EngineMissingError, EnvironmentSpecError

_BOOKWORM, _TRIXIE = "localhost/packmill/base:bookworm", "localhost/packmill/base:trixie"
_OFFLINE = "dial tcp: lookup registry.example.org: no such host"
_PYTHONS = {_BOOKWORM: "3.11.2", _TRIXIE: "3.13.5"}


def _official(minor: str) -> str:
    return f"docker.io/library/python:{minor}-slim-bookworm"


class Machine:
    """A fake engine, registry, and archive of Debian; ``pythons`` are the versions in an image."""

    def __init__(self, *, here: Sequence[str] = (), registry: Sequence[str] | None = None, root: bool = True) -> None:
        self.here = {name: Image(id=f"sha256:{name}", digest=None, config={}, size=1) for name in here}
        self.registry, self.root = registry, root
        self.pythons: dict[str, list[str]] = {}
        self.asked, self.pulled, self.made, self.said = [], [], [], []  # type: ignore[var-annotated]

    def inspect(self, name: str) -> Image | None:
        return self.here.get(name)

    def pull(self, name: str) -> str:
        self.pulled.append(name)
        if self.registry is None:
            return _OFFLINE
        if name not in self.registry:
            return f"manifest for {name} not found: manifest unknown"
        self.here[name] = Image(id=f"sha256:{name}", digest="sha256:abc", own_digest="sha256:abc", config={}, size=1)
        return ""

    def run_in(self, name: str, _: tuple[str, ...], *, entrypoint: str) -> tuple[int, str, str]:
        assert entrypoint == "sh"
        self.asked.append(name)
        plain = name.partition(":")[2].partition("-")[0]
        versions = self.pythons.get(name) or [_PYTHONS.get(name, f"{plain}.7")]
        lines = [f"python python3 {versions[0]}", *(f"python python{one.rpartition('.')[0]} {one}" for one in versions)]
        return 0, "\n".join(["warning: noise", *lines]), ""

    def make(self, release: debian_base.Release) -> None:
        self.made.append(release.suite)
        labels = {debian_base.recipe_label: debian_base.recipe(release)}
        config = {"Labels": labels}
        self.here[release.reference] = Image(id=f"sha256:new-{release.suite}", digest=None, config=config, size=1)

    def find(self, named: str | None = None, python: str = "") -> base_image.Base:
        return find_base(named, python=python, python_from="runtime.txt" if python else "", say=self.said.append)


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    """Return a machine without images that cannot pull any."""
    return _installed(Machine(), monkeypatch)


def _installed(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> Machine:
    for name in ("inspect", "pull", "run_in"):
        monkeypatch.setattr(base_image, name, getattr(machine, name))
    monkeypatch.setattr(debian_base, "make", machine.make)
    monkeypatch.setattr(debian_base, "can_make", lambda: machine.root)
    return machine


@pytest.mark.parametrize(
    ("here", "registry", "taken"),
    [
        ((), None, _BOOKWORM),
        ((), [_official("3.12")], _official("3.12")),
        ((_official("3.12"), _BOOKWORM), None, _official("3.12")),
        ((_BOOKWORM,), [_official("3.12")], _BOOKWORM),
        ((_official("3.13"), _TRIXIE), None, _BOOKWORM),
    ],
)
def test_without_a_specifier_pythons_are_not_listed(
    here: tuple[str, ...], registry: list[str] | None, taken: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine = _installed(Machine(here=here, registry=registry), monkeypatch)

    base = machine.find()

    assert (base.reference, base.python, machine.asked) == (taken, "python3", [])
    assert ensure_base_image(None, say=machine.said.append) == taken


@pytest.mark.parametrize(
    ("python", "here", "registry", "taken"),
    [
        ("==3.11.*", (), None, _BOOKWORM),
        (">=3.10", (), None, _BOOKWORM),
        (">=3.12", (), None, _TRIXIE),
        (">=3.12", (_BOOKWORM,), None, _TRIXIE),
        ("==3.13.*", (), [_official("3.13")], _official("3.13")),
        (">=3.10", (), [_official("3.10"), _official("3.12"), _official("3.14")], _official("3.12")),
        (">=3.13", (), [_official("3.13"), _official("3.14")], _official("3.14")),
        (">=3.13", (), [_official("3.13")], _official("3.13")),
        ("<3.12", (), [_official("3.10"), _official("3.11")], _official("3.11")),
        (">=3.13", (_TRIXIE,), [_official("3.14")], _TRIXIE),
        (">=3.11,<3.12", (_official("3.11"),), None, _official("3.11")),
    ],
)
def test_the_base_has_a_python_that_fits(
    python: str, here: tuple[str, ...], registry: list[str] | None, taken: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine = _installed(Machine(here=here, registry=registry), monkeypatch)

    assert machine.find(python=python).reference == taken


def test_a_registry_without_answer_gets_one_request(machine: Machine) -> None:
    machine.find(python=">=3.13")

    assert machine.pulled == [_official("3.14")]


@pytest.mark.parametrize(
    ("python", "message"),
    [
        ("==3.9.*", "where .*python:3.9-slim-bookworm cannot be pulled: .*\n  available: 3.11 of Debian.*\n.*--env"),
        ("==3.8.*", r"runtime.txt: Python ==3.8.\* is not available: .* need Python 3.9 or later\n.*--env Dockerfile"),
        ("==3.30.*", "is not available as .*3.9-slim-bookworm to .*3.14-slim-bookworm\n  available: 3.11 of Debian"),
        (
            "==3.12.*",
            "is not available here, where .*python:3.12-slim-bookworm cannot be pulled: .*\n  available: 3.11 of",
        ),
        (">=3.11.9,<3.12", "runtime.txt: Python <3.12,>=3.11.9 is not available"),
    ],
)
def test_an_unavailable_python_is_refused(python: str, message: str, machine: Machine) -> None:
    with pytest.raises(EnvironmentSpecError, match=message) as refused:
        machine.find(python=python)
    assert refused.value.exit_code == 14


def test_python_39_is_taken_from_its_official_image(machine: Machine) -> None:
    machine.registry = [_official("3.9")]

    assert machine.find(python="==3.9.*").reference == _official("3.9")


@pytest.mark.parametrize("named", ["mine", "r/p:{python}"])
def test_a_named_base_cannot_be_older_than_the_kernel(named: str, machine: Machine) -> None:
    with pytest.raises(EnvironmentSpecError, match=r"need Python 3\.9 or later"):
        machine.find(named, "==3.8.*")


def test_available_is_what_the_machine_has_or_can_make(monkeypatch: pytest.MonkeyPatch) -> None:
    machine = _installed(Machine(here=[_official("3.14")], root=False), monkeypatch)

    with pytest.raises(EnvironmentSpecError, match=r"\n  available: 3\.14 of docker\.io/library/python:3\.14-slim"):
        machine.find(python="==3.9.*")


@pytest.mark.parametrize("python", ["", ">=3.10"])
def test_without_root_no_base_is_built(python: str, machine: Machine) -> None:
    machine.root = False

    with pytest.raises(EngineMissingError, match=r"base image unavailable: .* cannot be pulled"):
        machine.find(python=python)


def test_a_named_base_is_used_as_it_is(machine: Machine) -> None:
    machine.registry = ["registry.example.org/anything"]

    base = machine.find("registry.example.org/anything")

    assert (base.reference, base.digest, machine.asked) == ("registry.example.org/anything", "sha256:abc", [])


@pytest.mark.parametrize(
    ("python", "command"),
    [(">=3.11", "python3"), ("==3.12.*", "python3.12"), (">=3.12", "python3.13"), ("==3.11.*,!=3.11.2", None)],
)
def test_a_named_base_may_have_several_pythons(
    python: str, command: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine = _installed(Machine(here=["mine"]), monkeypatch)
    machine.pythons["mine"] = ["3.11.2", "3.12.4", "3.13.1"]

    if command:
        assert machine.find("mine", python).python == command
    else:
        with pytest.raises(EnvironmentSpecError, match=r"PACKMILL_BASE_IMAGE=mine\n  available: 3\.11\.2, 3\.13\.1, 3"):
            machine.find("mine", python)


def test_bases_of_two_architectures_are_two(monkeypatch: pytest.MonkeyPatch) -> None:
    """In containerd's image store, both have the digest of one index as their ID, and machines may share a registry."""
    machines = ("amd64", "arm64")
    ids: list[str] = []
    for name in machines:
        attributes = {"Id": "sha256:0", "Config": {}, "Architecture": name}
        images = SimpleNamespace(get=lambda _, found=attributes: SimpleNamespace(attrs=found))
        client = SimpleNamespace(images=images, version=dict)
        monkeypatch.setattr(engine, "open_client", lambda client=client: nullcontext(client))
        ids.append(find_base("mine", say=print).id)

    keys = {(runner_key(ImagePythons(), built_by=one), staging_key("", base_id=one, formats=False)) for one in ids}
    assert len(keys) == len({plan_key(Plan(base_image="mine"), base_id=one) for one in ids}) == len(machines)


def test_a_missing_named_base_is_refused(machine: Machine) -> None:
    with pytest.raises(EngineMissingError, match="PACKMILL_BASE_IMAGE=mine is not in the engine and cannot be pulled"):
        machine.find("mine")


@pytest.mark.parametrize(
    ("python", "taken"), [("", "r/p:3.12"), (">=3.13", "r/p:3.14"), ("==3.9.*", "r/p:3.9"), ("<3.12", "r/p:3.11")]
)
def test_a_name_may_leave_the_version_open(python: str, taken: str, machine: Machine) -> None:
    machine.registry = [f"r/p:{minor}" for minor in ("3.9", "3.10", "3.11", "3.12", "3.13", "3.14")]

    assert machine.find("r/p:{python}", python).reference == taken


def test_a_registry_without_answer_gets_one_request_for_a_name_with_a_placeholder(machine: Machine) -> None:
    with pytest.raises(EngineMissingError, match=r"r/p:3\.12 is not in the engine"):
        machine.find("r/p:{python}")
    assert machine.pulled == ["r/p:3.12"]


def test_a_base_of_an_older_recipe_is_rebuilt(monkeypatch: pytest.MonkeyPatch) -> None:
    machine = _installed(Machine(here=[_BOOKWORM]), monkeypatch)

    first, second = machine.find(), machine.find()

    assert (machine.made, first.id) == (["bookworm"], "sha256:new-bookworm")
    assert first == second


def test_a_base_that_cannot_be_rebuilt_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    machine = _installed(Machine(here=[_BOOKWORM], root=False), monkeypatch)

    assert machine.find().id == f"sha256:{_BOOKWORM}"


@pytest.mark.parametrize(
    ("named", "listed"),
    [
        (None, [_official("3.13"), _BOOKWORM]),
        ("mine", ["mine"]),
        ("mine:{python}", ["mine:3.11"]),
        ("missing", []),
    ],
)
def test_bases_in_the_engine_are_listed_without_a_registry(
    named: str | None, listed: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    here = [_official("3.13"), _BOOKWORM, "mine", "mine:3.11", "other"]
    machine = _installed(Machine(here=here, registry=["missing"]), monkeypatch)

    assert [base.reference for base in base_image.list_present(named)] == listed
    assert machine.pulled == []
