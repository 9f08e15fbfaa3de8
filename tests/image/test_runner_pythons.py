"""An environment whose Python cannot have packmill's kernel or runner is refused with what it needs."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import pytest

from generator.image import runner
from generator.image.base.find import Base
from generator.image.pythons import ImagePythons
from generator.image.runner import Runners, build_early, ensure_runner
from generator.image.store import ImageStore
from generator.progress import Progress
from generator.shared.errors import EnvironmentSpecError, ImageBuildError


@pytest.mark.parametrize("version", ["cpython-38", "cpython-36", "pypy38"])
def test_a_python_that_is_too_old_for_the_kernel_is_refused(version: str, monkeypatch: pytest.MonkeyPatch) -> None:
    pythons = ImagePythons(runner_python="/usr/bin/python3", kernel_python="python3", kernel_version=version)
    monkeypatch.setattr(runner, "probe_pythons", lambda _: pythons)

    with pytest.raises(EnvironmentSpecError, match=r"has Python 3\.\d and no ipykernel: .* needs Python 3\.9 or later"):
        ensure_runner(Runners(base=None, store=ImageStore()), "environment", Progress(), built="")
    base = Base(reference="mine", id="sha256:1", digest=None)
    with (
        pytest.raises(EnvironmentSpecError, match="needs Python"),
        build_early(Runners(base=base, store=ImageStore())),
    ):
        raise AssertionError("nothing is built")


@pytest.mark.parametrize(
    ("runner_python", "output", "error"),
    [
        (
            "",
            "cause: Failed to download `https://github.com/astral-sh/python-build-standalone/a`",
            EnvironmentSpecError,
        ),
        ("", "No space left on device", ImageBuildError),
        ("/usr/bin/python3", "python-build-standalone", ImageBuildError),
    ],
)
def test_a_runner_without_a_python_is_explained_if_none_can_be_downloaded(
    runner_python: str, output: str, error: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ImageBuildError(output)

    monkeypatch.setattr(runner.builder, "build_context", fail)
    monkeypatch.setattr(runner, "cache_name", lambda *_: "cache")
    runners = Runners(base=None, store=ImageStore())

    with pytest.raises(error, match=output[:10]) as refused:
        runners.build(ImagePythons(runner_python=runner_python), "environment", print)
    assert ("python:3.9-bookworm" in str(refused.value)) == (error is EnvironmentSpecError)


_DEBIAN = ImagePythons(
    runner_python="/usr/bin/python3",
    runner_version="cpython-311",
    kernel_python="python3",
    kernel_version="cpython-311",
    machine="x86_64",
    libc="glibc-2.36",
)


@pytest.mark.parametrize(
    ("different", "shared"),
    [
        ({}, True),
        ({"kernel_python": "python"}, True),
        ({"kernel_python": "", "kernel_version": ""}, True),
        ({"kernel_version": "cpython-312"}, False),
        ({"runner_version": "cpython-312"}, False),
        ({"runner_python": "/usr/local/bin/python3"}, False),
        ({"libc": "glibc-2.31"}, False),
        ({"machine": "aarch64"}, False),
        ({"runner_python": "", "runner_version": "", "machine": "", "libc": ""}, False),
    ],
    ids=["same", "python", "kernel", "other-kernel", "version", "path", "libc", "machine", "none"],
)
def test_an_image_of_the_repository_gets_the_runner_of_a_base_with_its_pythons(
    different: dict[str, str], shared: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The base builds it, so that programs of the repository's image take no part in what others use."""
    images = {"mine": replace(_DEBIAN, **different), "debian": _DEBIAN, "empty": ImagePythons()}
    monkeypatch.setattr(runner, "probe_pythons", images.get)
    empty, debian = (Base(reference=name, id=f"sha256:{name}", digest=None) for name in ("empty", "debian"))
    monkeypatch.setattr(runner.engine, "inspect", lambda name: SimpleNamespace(identity=f"sha256:{name}"))
    own = Runners(base=None, store=ImageStore(), other_bases=(empty, debian))

    suited = own.suit("mine")

    assert suited.built_by == ("base sha256:debian" if shared else "environment sha256:mine")
    expected = replace(own, base=debian) if shared else replace(own, environment_id="sha256:mine")
    assert suited.reference(suited.pythons("mine")) == expected.reference(images["mine"])
    assert suited.pythons("mine") == images["mine"]


def test_two_environments_of_one_repository_build_two_runners(monkeypatch: pytest.MonkeyPatch) -> None:
    """A pull request has the address of its repository, and a package that is rebuilt names any address."""
    images = {"own": "sha256:0", "pull-request": "sha256:1"}
    monkeypatch.setattr(runner.engine, "inspect", lambda name: SimpleNamespace(identity=images[name]))
    runners = [Runners(base=None, store=ImageStore()).suit(name) for name in images]

    assert len({one.reference(_DEBIAN) for one in runners}) == 2
    assert len({one.built_by for one in runners}) == 2, "which names the cache of packages, too"
