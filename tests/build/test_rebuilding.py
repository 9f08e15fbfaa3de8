"""What a package that is rebuilt may say, and what it may not."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
from support import Finished

from generator.build import images
from generator.build import rebuild as rebuilding
from generator.build.job import BuildJob
from generator.build.rebuild import _request, read_provenance, rebuild
from generator.build.record import _build_options
from generator.environment.environment import BuildPack, Environment
from generator.image.names import own_environment
from generator.network.address_policy import Access, any_repository
from generator.progress import Progress
from generator.repository.source import Source
from generator.request.build import BuildRequest, build_request
from generator.request.settings import Settings
from generator.shared.errors import RepositoryError, UsageError

_RECORD = {
    "packmill": "1.0",
    "repository": {"address": "https://example.org/ada/trees"},
    "checkout": "main",
    "commit": {"id": "0" * 40},
    "process": {"path": "process.ipynb"},
    "build": {"layers": ["sha256:0"], "base": "python:3", "lock": "requirements.lock", "options": {}},
}


@pytest.fixture
def package(tmp_path: Path) -> Callable[..., Path]:
    """Writes a package whose record has other values in some places, as ``build.lock=...``."""

    def write(**changes: Any) -> Path:
        record = json.loads(json.dumps(_RECORD))
        for place, value in changes.items():
            *above, last = place.split("__")
            target = record
            for name in above:
                target = target[name]
            target[last] = value
        (tmp_path / "package.json").write_text(json.dumps(record))
        (tmp_path / "requirements.lock").write_text("six==1.17.0\n")
        return tmp_path

    return write


def test_a_record_is_read_with_its_lock(package: Callable[..., Path]) -> None:
    record = read_provenance(package())

    assert (record.address, record.lock) == ("https://example.org/ada/trees", ("requirements.lock", "six==1.17.0\n"))


def test_optional_documents_are_written_again(package: Callable[..., Path], tmp_path: Path) -> None:
    """A later packmill may know more of them than this one."""
    options = _build_options(build_request("https://example.org/ada/trees", emits=("airflow",)), Settings())
    assert options == {"emit": "airflow"}

    record = read_provenance(package(build__options={"emit": "airflow unknown"}))

    assert _request(record, output=tmp_path, fresh=False, image=None).emits == ("airflow",)


def test_a_chosen_kernel_is_chosen_again(package: Callable[..., Path], tmp_path: Path) -> None:
    requested = build_request("https://example.org/ada/trees", kernel="ir", language="R", parameters_cell="2")

    record = read_provenance(package(build__options=_build_options(requested, Settings())))

    assert _request(record, output=tmp_path, fresh=False, image=None).choices == requested.choices


def test_requested_resources_are_requested_again(package: Callable[..., Path], tmp_path: Path) -> None:
    texts = {"cores": "2", "ram": "2TB", "disk": None, "time": "1h", "gpu": "0"}
    requested = build_request("https://example.org/ada/trees", resources=texts)
    options = _build_options(requested, Settings())

    record = read_provenance(package(build__options=options))

    assert options == {"cores": "2", "ram": "2097152", "time": "3600", "gpu": "0"}
    assert _request(record, output=tmp_path, fresh=False, image=None).resources == requested.resources


@pytest.mark.parametrize(
    "changes",
    [
        {"build": None},
        {"build": "x"},
        {"build__layers": []},
        {"build__layers": [1]},
        {"build__base": 5},
        {"build__options": []},
        {"build__lock": 1},
        {"build__lock": "plan.json"},
        {"build__lock": "../requirements.lock"},
        {"build__lock": "pylock.toml"},
        {"repository": None},
        {"checkout": 5},
        {"commit": []},
        {"process": {}},
        {"packmill": None},
    ],
)
def test_what_packmill_would_not_write_is_refused(changes: dict[str, Any], package: Callable[..., Path]) -> None:
    with pytest.raises(UsageError, match=r"package\.json|pylock\.toml cannot be read"):
        read_provenance(package(**changes))


def test_a_link_is_no_file_of_a_package(package: Callable[..., Path], tmp_path: Path) -> None:
    folder = package()
    (folder / "requirements.lock").unlink()
    (folder / "requirements.lock").symlink_to("/etc/passwd")

    with pytest.raises(UsageError, match=r"requirements\.lock cannot be read"):
        read_provenance(folder)


def test_a_document_that_is_nested_without_end_is_refused(tmp_path: Path, packmill: Callable[..., Finished]) -> None:
    (tmp_path / "package.json").write_text("[" * 100_000)

    refused = packmill("rebuild", tmp_path)

    assert (refused.code, "not a readable package" in refused.err) == (2, True)


@pytest.fixture
def begun(monkeypatch: pytest.MonkeyPatch) -> list[Settings]:
    """The settings of the build that a rebuild begins, whose repository is then unavailable."""
    found: list[Settings] = []

    def build(_request: object, settings: Settings, _progress: object) -> None:
        found.append(settings)
        raise RepositoryError("the repository is unavailable")

    monkeypatch.setattr(rebuilding, "build", build)
    return found


def test_a_stranger_s_package_has_no_folder_of_this_machine_built(
    package: Callable[..., Path], begun: list[Settings], tmp_path: Path
) -> None:
    """Its base image, its lock or its environment could send a private repository away."""
    (tmp_path / "private").mkdir()
    made = package(repository__address=str(tmp_path / "private"))

    with pytest.raises(RepositoryError, match=r"is the folder .*/private of this machine; .* add --trust"):
        rebuild(made, Settings(), Progress(), output=tmp_path, fresh=False)
    assert begun == []

    with pytest.raises(RepositoryError, match=r"unavailable$"):
        rebuild(made, Settings(), Progress(), output=tmp_path, fresh=False, trusted=True)
    assert len(begun) == 1


@pytest.mark.parametrize("address", ["https://example.org/ada/trees", "git@example.org:ada/trees.git"])
def test_a_stranger_s_package_has_nothing_fetched_with_somebody_s_account(
    address: str, package: Callable[..., Path], begun: list[Settings], tmp_path: Path
) -> None:
    made = package(repository__address=address)
    listed = Settings(repositories=replace(any_repository, listed=("example.org",)))

    with pytest.raises(RepositoryError, match=r"unavailable\n .* without your git login .* add --trust"):
        rebuild(made, Settings(), Progress(), output=tmp_path, fresh=False)
    for settings, trusted in ((Settings(), True), (listed, False)):
        with pytest.raises(RepositoryError, match="unavailable"):
            rebuild(made, settings, Progress(), output=tmp_path, fresh=False, trusted=trusted)

    access = [one.repositories.access(address) for one in begun]
    assert access == [Access.PUBLIC, Access.FULL, Access.FULL]


def _job(request: BuildRequest, settings: Settings) -> BuildJob:
    source = Source(
        address=request.repository.address,
        owner="ada",
        name="trees",
        checkout="main",
        commit="0" * 40,
        message="",
        time=datetime(2026, 2, 3, tzinfo=timezone.utc),
    )
    environment = Environment(folder="", files=(), buildpack=BuildPack.PLAIN_PYTHON)
    return BuildJob(
        request=request,
        settings=settings,
        source=source,
        folder=Path(),
        environment=environment,
        environment_key=own_environment,
        processes=(),
    )


def _image_name(request: BuildRequest) -> str:
    return _job(request, Settings()).reference


def test_a_stranger_s_package_replaces_no_image_that_the_user_s_package_runs(
    package: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A package that was not pushed starts its image by name, with the inputs and the secrets of its user."""
    requests: list[BuildRequest] = []

    def build(request: BuildRequest, *_: object) -> None:
        requests.append(request)
        raise RepositoryError("the repository is unavailable")

    monkeypatch.setattr(rebuilding, "build", build)
    locked: dict[str, Any] = {"build__base": "python:3"}
    packages: list[dict[str, Any]] = [locked, {"build__base": "python:4"}, {"build__base": "", "build__lock": ""}]
    for changes in packages:
        with pytest.raises(RepositoryError):
            rebuild(package(**changes), Settings(), Progress(), output=tmp_path, fresh=False)
    with pytest.raises(RepositoryError):
        rebuild(package(**locked), Settings(), Progress(), output=tmp_path, fresh=False, trusted=True)

    own = _image_name(build_request("https://example.org/ada/trees"))
    *strangers, trusted = map(_image_name, requests)
    assert len({own, *strangers}) == 4
    assert trusted == own, "so that the documents are the same"


def test_a_stranger_s_package_adds_nothing_to_the_cache_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Other machines build with what is there."""
    kept: list[str] = []
    monkeypatch.setattr(images, "keep_cached", lambda name, **_: kept.append(name))
    own = build_request("https://example.org/ada/trees")

    for request in (replace(own, untrusted=True), own):
        images._store(_job(request, Settings()), Progress()).keep(f"untrusted: {request.untrusted}")

    assert kept == ["untrusted: False"]


def test_builds_with_other_options_have_images_of_their_own() -> None:
    """They replaced the image that packages of earlier jobs run."""
    options: list[dict[str, Any]] = [{}, {"standard": True}, {"kernel_gateway": True}]

    names = {_image_name(build_request("https://example.org/ada/trees", **one)) for one in options}

    assert len(names) == 3


@pytest.mark.parametrize("name", ["localhost/packmill/runner:1", "localhost/packmill/base:bookworm"])
def test_no_image_takes_the_name_of_what_images_are_made_of(
    name: str, tmp_path: Path, packmill: Callable[..., Finished]
) -> None:
    refused = packmill("build", tmp_path, "--image", name)

    assert (refused.code, "reserved for packmill's intermediate images" in refused.err) == (2, True)
