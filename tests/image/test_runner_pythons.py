"""An environment whose Python cannot have packmill's kernel or runner is refused with what it needs."""

from __future__ import annotations

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
        ensure_runner(Runners(base=None, address="", store=ImageStore()), "environment", Progress(), built="")
    base = Base(reference="mine", id="sha256:1", digest=None)
    with (
        pytest.raises(EnvironmentSpecError, match="needs Python"),
        build_early(Runners(base=base, address="", store=ImageStore())),
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
    runners = Runners(base=None, address="", store=ImageStore())

    with pytest.raises(error, match=output[:10]) as refused:
        runners.build(ImagePythons(runner_python=runner_python), "environment", print)
    assert ("python:3.9-bookworm" in str(refused.value)) == (error is EnvironmentSpecError)
