"""What a build that ignores caches leaves in registries, and what later jobs take from them."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path

import pytest

from generator.build import images, publish
from generator.build.job import BuildJob
from generator.ci import stages
from generator.environment.environment import BuildPack, Environment
from generator.image.build import BuiltImage
from generator.image.names import own_environment
from generator.progress import Progress
from generator.repository.source import Source
from generator.request.build import BuildRequest, build_request
from generator.request.settings import Settings
from generator.shared.errors import ImageBuildError

_REGISTRY = "registry.example.org/group"


def _job(request: BuildRequest, folder: Path) -> BuildJob:
    time = datetime(2026, 2, 3, tzinfo=timezone.utc)
    source = Source(address="a", owner="ada", name="trees", checkout="main", commit="0" * 40, message="", time=time)
    return BuildJob(
        request=request,
        settings=Settings(),
        source=source,
        folder=folder,
        environment=Environment(folder="", files=(), buildpack=BuildPack.PLAIN_PYTHON),
        environment_key=own_environment,
        processes=(),
    )


def test_after_no_cache_the_new_image_is_published_and_not_that_of_an_earlier_pipeline(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Both have the same key: updates of Debian and of dependencies do not change it."""
    requests: list[BuildRequest] = []
    searched: list[str | None] = []

    def build(request: BuildRequest, *_: object) -> None:
        requests.append(request)
        raise ImageBuildError("the request is known")

    monkeypatch.setattr(stages, "build", build)
    monkeypatch.setattr(images, "find_pushed", lambda registry, *_args, **_options: searched.append(registry))
    for fresh in (True, False):
        with pytest.raises(ImageBuildError):
            stages._publish(
                build_request("https://example.org/ada/trees", registry=_REGISTRY, fresh=fresh), Settings(), Progress()
            )
    for request in requests:
        job = _job(request, tmp_path)
        images._image_spec(job, Progress()).find_pushed("key")
        process_image = BuiltImage(reference="trees:1", built=True, digest=None)
        images._staging_spec(job, process_image, Progress()).find_pushed("name", "key")

    assert [(one.fresh, one.registry) for one in requests] == [(False, _REGISTRY)] * 2, "the stage before built it"
    assert searched == [None, None, _REGISTRY, _REGISTRY]


@pytest.mark.parametrize("fresh", [True, False])
def test_a_build_that_ignores_caches_replaces_what_the_cache_registry_has(
    fresh: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Later jobs with engines of their own take it from there."""
    pushed: list[str] = []
    monkeypatch.setattr(publish, "look_up", lambda *_args, **_options: object())
    monkeypatch.setattr(publish, "push", lambda _name, target, **_options: pushed.append(target))
    monkeypatch.setattr(publish.engine, "untag", lambda _name: None)
    request = build_request("https://example.org/ada/trees", fresh=fresh)
    job = replace(_job(request, tmp_path), settings=Settings(cache_registry=f"{_REGISTRY}/cache"))

    images._store(job, Progress()).keep("localhost/packmill/environment:1")

    assert pushed == ([f"{_REGISTRY}/cache/environment:1"] if fresh else [])
