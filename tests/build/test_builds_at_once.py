"""Two builds at once, on one engine or into one folder: neither publishes what the other made."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
from oci_registry import OciRegistry, oci_registry
from platform_server import Platform, platform_server
from support import Finished, commit_all, git, write_notebook

from generator.build import pipeline, publish
from generator.build.record import ImageRecord
from generator.containers import engine
from generator.environment.environment import BuildPack, Environment
from generator.image import build as image_build
from generator.image.build import BuiltImage
from generator.image.names import key_label, own_environment
from generator.progress import Progress
from generator.repository.source import Source
from generator.request.settings import read_settings
from generator.shared.errors import PublishError

_PUSHED = "registry.example.org/ada/trees@sha256:" + "0" * 64
_TOKEN = "open-sesame"
_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
_CONFIG = "application/vnd.oci.image.config.v1+json"


@pytest.fixture
def registry() -> Iterator[OciRegistry]:
    with oci_registry() as served:
        yield served


def _image(key: str) -> engine.Image:
    return engine.Image(id="sha256:1", digest=None, config={"Labels": {key_label: key}}, size=1)


def _put_image(registry: OciRegistry, key: str) -> str:
    """Put an image with this key into a registry, as if an engine had pushed it; return its digest."""
    config = json.dumps({"config": {"Labels": {key_label: key}}}).encode()
    digest = f"sha256:{hashlib.sha256(config).hexdigest()}"
    registry.blobs[digest] = config
    described = {"mediaType": _CONFIG, "digest": digest, "size": len(config)}
    manifest = {"schemaVersion": 2, "mediaType": _MANIFEST, "config": described, "layers": []}
    return registry.put("group/app", "1", _MANIFEST, json.dumps(manifest).encode())


def _push(registry: OciRegistry, *keys: str) -> BuiltImage:
    found = BuiltImage(reference="app:1", built=True, digest=None, keys=keys)
    return publish.push_image(found, f"{registry.place}/group", read_settings({}), Progress())


def test_an_image_that_another_build_gave_the_name_before_the_push_is_not_published(
    registry: OciRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    digest = _put_image(registry, "theirs")
    monkeypatch.setattr(publish, "push", lambda *_args, **_options: digest)

    with pytest.raises(PublishError, match=f"group/app@{digest}: .* not this build's, because another build"):
        _push(registry, "ours")

    for own in (("theirs",), ("ours", "theirs")):
        assert _push(registry, *own).reference == f"{registry.place}/group/app@{digest}"


@pytest.mark.parametrize("key", ["ours", "theirs"])
def test_a_registry_that_does_not_show_what_was_pushed_leaves_the_name_in_the_engine(
    key: str, registry: OciRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publish, "push", lambda *_args, **_options: "sha256:" + "0" * 64)
    monkeypatch.setattr(engine, "inspect", lambda _: _image(key))

    if key == "ours":
        assert _push(registry, "ours").digest
    else:
        with pytest.raises(PublishError, match="not this build's"):
            _push(registry, "ours")


@pytest.mark.parametrize("is_built", [True, False], ids=["built", "found"])
@pytest.mark.parametrize("formats", [True, False])
def test_an_image_that_was_built_or_found_has_keys(
    formats: bool, is_built: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    time = datetime(2026, 2, 3, tzinfo=timezone.utc)
    spec = image_build.ImageSpec(
        reference="app:1",
        source=Source(address="a", owner="o", name="n", checkout="main", commit="c" * 40, message="m", time=time),
        folder=tmp_path,
        environment=Environment(folder="", files=(), buildpack=BuildPack.PLAIN_PYTHON),
        environment_key=own_environment,
        base_image=None,
        formats=formats,
    )
    monkeypatch.setattr(image_build, "_plan_environment", lambda *_: image_build._PlannedEnvironment(key="e"))
    for name in ("_ensure_environment", "ensure_runner", "ensure_formats", "_compose"):
        monkeypatch.setattr(image_build, name, lambda *_args, **_options: "x")
    for name in ("list_present", "describe_layers"):
        monkeypatch.setattr(image_build, name, lambda *_: "")
    monkeypatch.setattr(engine, "history", lambda _: ())
    keys = tuple(image_build._keys(spec, "e"))
    missing = spec.reference if is_built else ""
    monkeypatch.setattr(engine, "inspect", lambda name: None if name == missing else _image(keys[-1]))

    found = image_build.ensure_image(spec, Progress())

    assert (found.built, found.keys) == (is_built, keys)


@pytest.mark.parametrize("present", [_image("ours"), _image("theirs"), None], ids=["ours", "theirs", "none"])
def test_a_package_is_not_written_for_a_name_that_another_build_took(
    present: engine.Image | None,
    repository: Path,
    tmp_path: Path,
    packmill: Callable[..., Finished],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The checks of the image, its bill of materials and the package would be those of the other build's image."""
    write_notebook(repository / "process.ipynb", "n = 1")
    commit_all(repository)
    found = BuiltImage(reference="app:1", built=True, digest=None, keys=("ours",))
    monkeypatch.setattr(engine, "inspect", lambda _: present)
    for name, value in {
        "check_engine": None,
        "build_image": found,
        "build_staging_image": None,
        "record_image": ImageRecord(),
    }.items():
        monkeypatch.setattr(pipeline, name, lambda *_args, _value=value, **_options: _value)
    monkeypatch.setattr(pipeline, "check_runner", lambda job, *_: job)

    built = packmill("build", repository, "--image", "app:1", "--output", tmp_path / "out")

    if present and present.labels[key_label] == "ours":
        assert built.code == 0, built.err
    else:
        assert built.code == 15
        assert "app:1: another build gave this name to an image of its own meanwhile" in built.err
        assert not (tmp_path / "out").exists()


def test_a_build_publishes_what_it_wrote_although_another_one_replaced_it(
    repository: Path, tmp_path: Path, packmill: Callable[..., Finished], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other one has another destination and fewer documents, and ends before this one publishes."""
    write_notebook(repository / "process.ipynb", "n = 1")
    commit_all(repository)
    ours, theirs = tmp_path / "ours.git", tmp_path / "theirs.git"
    for folder in (ours, theirs):
        git(tmp_path, "init", "--quiet", "--bare", "--initial-branch=main", str(folder))
    options = ("--no-image", "--output", tmp_path / "out", "--image", _PUSHED)
    publish_package = pipeline.publish_package
    monkeypatch.setenv("PACKMILL_DEPLOY_TOKEN", _TOKEN)

    def publish_later(*given: Any) -> None:
        monkeypatch.setattr(pipeline, "publish_package", publish_package)
        other = packmill("build", repository, *options, "--network", "--publish", theirs)
        assert other.code == 0, other.err
        publish_package(*given)

    monkeypatch.setattr(pipeline, "publish_package", publish_later)
    with platform_server(Platform(token=_TOKEN)) as platform:
        more = ("--emit", "ro-crate", "--publish", ours, "--deploy", platform.address)
        built = packmill("build", repository, *options, *more, "--json")
        assert built.code == 0, built.err
        deployed = [json.loads(one.body) for one in platform.asked if one.method == "POST"]

    assert "ro-crate-metadata.json" in git(ours, "ls-tree", "--name-only", "main:ada/trees/main").splitlines()
    assert [_has_network(git(one, "show", "main:ada/trees/main/process.cwl")) for one in (ours, theirs)] == [
        False,
        True,
    ]
    assert _has_network((tmp_path / "out/ada/trees/main/process.cwl").read_text())
    assert [_has_network(json.dumps(one)) for one in deployed] == [False]


def _has_network(text: str) -> bool:
    return re.search('networkAccess"?: true', text) is not None
