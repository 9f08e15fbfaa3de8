"""``packmill build --deploy`` and the CI variable ``deploy``: what is checked before a build, and what is reported."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from platform_server import Platform, platform_server
from support import Finished, commit_all, write_notebook

from generator.build.address_checks import check_addresses
from generator.build.pipeline import Built
from generator.ci import stages
from generator.platforms import connection
from generator.request.settings import read_settings
from generator.request.variables import from_variables
from generator.shared.errors import PublishError, UsageError

_TOKEN = "0pen-s3same"
_IMAGE = "registry.example.org/ada/trees@sha256:" + "0" * 64


@pytest.fixture
def platform() -> Iterator[Platform]:
    with platform_server(Platform(token=_TOKEN)) as served:
        yield served


@pytest.fixture(autouse=True)
def deploying(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "_PAUSES", (0.0, 0.0))
    monkeypatch.setenv("PACKMILL_DEPLOY_TOKEN", _TOKEN)
    for name in ("process", "second"):
        write_notebook(repository / f"{name}.ipynb", "year = 2020  # type: int")
    commit_all(repository)


@pytest.fixture
def build(packmill: Callable[..., Finished], repository: Path, tmp_path: Path) -> Callable[..., Finished]:
    """Builds without an image, which is in a registry."""

    def run(*options: str | Path) -> Finished:
        given = ("--no-image", "--image", _IMAGE, "--output", tmp_path / "packages", *options)
        return packmill("build", repository, *given)

    return run


def test_each_process_of_a_build_is_deployed(platform: Platform, build: Callable[..., Finished]) -> None:
    finished = build("--process", "process.ipynb", "--process", "second.ipynb", "--deploy", platform.address, "--json")

    assert finished.code == 0, finished.err
    names = ["ada.trees.main", "ada.trees.main.second"]
    assert json.loads(finished.out)["deployed"] == [f"{platform.address}/processes/{name}" for name in names]
    assert list(platform.processes) == names
    assert f"{platform.address}/processes/ada.trees.main: deployed" in finished.err
    assert f"{_IMAGE} is not pushed by this build" in finished.err
    units = [json.loads(one.body)["executionUnit"] for one in platform.asked if one.method == "POST"]
    assert [unit["mediaType"] for unit in units] == ["application/cwl+json"] * 2
    assert {one.token for one in platform.asked} == {f"Bearer {_TOKEN}"}
    assert _TOKEN not in finished.out + finished.err


def test_two_processes_with_one_identifier_do_not_replace_each_other(
    platform: Platform, build: Callable[..., Finished], repository: Path, tmp_path: Path
) -> None:
    for name in ("process", "second"):
        write_notebook(repository / f"{name}.ipynb", 'id = "trees"', tags=("metadata",))
    commit_all(repository)

    finished = build("--process", "process.ipynb", "--process", "second.ipynb", "--deploy", platform.address)

    assert finished.code == 18
    assert "second.ipynb and process.ipynb both have the identifier trees" in finished.err
    assert not platform.processes
    assert not (tmp_path / "packages").exists()


def test_a_token_for_another_host_is_not_sent(
    platform: Platform, build: Callable[..., Finished], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PACKMILL_DEPLOY_HOST", "platform.example.org")
    finished = build("--deploy", platform.address)

    assert finished.code == 18
    assert "set PACKMILL_DEPLOY_TOKEN" in finished.err
    assert {one.token for one in platform.asked} == {""}


def test_a_platform_that_cannot_deploy_ends_the_build_before_it_writes(
    platform: Platform, build: Callable[..., Finished], tmp_path: Path
) -> None:
    platform.classes = ("ogcapppkg",)
    finished = build("--deploy", platform.address)

    assert finished.code == 18
    assert "processes cannot be deployed to this platform" in finished.err
    assert not (tmp_path / "packages").exists()


def test_the_process_of_another_repository_ends_the_build_before_it_writes(
    platform: Platform, build: Callable[..., Finished], tmp_path: Path
) -> None:
    links = [{"rel": "https://schema.org/codeRepository", "href": "https://git.example.org/eve/trees"}]
    platform.processes["ada.trees.main"] = {"id": "ada.trees.main", "version": "1", "links": links}
    finished = build("--deploy", platform.address)
    assert finished.code == 18
    assert "git.example.org/eve/trees" in finished.err
    assert not (tmp_path / "packages").exists()

    assert build("--deploy", platform.address, "--replace").code == 0


def test_a_refused_package_is_reported_with_the_platform_s_words(
    platform: Platform, build: Callable[..., Finished], tmp_path: Path
) -> None:
    platform.takes = ()
    finished = build("--deploy", platform.address)

    assert finished.code == 18
    assert "the platform refuses the process: status 415: unsupported-media-type" in finished.err
    assert (tmp_path / "packages/ada/trees/main/ogcapppkg.json").is_file()


@pytest.mark.parametrize(
    "options", [("--no-image",), ("--image", "registry.example.org/a:1"), ("--no-image", "--image", "a:1"), ()]
)
def test_an_image_that_no_registry_has_is_not_deployed(
    options: tuple[str, ...], repository: Path, packmill: Callable[..., Finished]
) -> None:
    finished = packmill("build", repository, "--deploy", "https://platform.example.org", *options)

    assert finished.code == 2
    assert "add --push REGISTRY" in finished.err


def test_the_variable_of_a_pipeline_is_the_option() -> None:
    variables = {"repository": "https://git.example.org/ada/trees", "deploy": "https://platform.example.org/ogc-api"}
    with pytest.raises(UsageError, match="CI variable: registry"):
        from_variables(variables)

    request = from_variables({**variables, "registry": "registry.example.org/ada"})
    assert request is not None
    assert request.platform is not None
    assert request.platform.address == variables["deploy"]

    policy = {"PACKMILL_PLATFORMS": "other.example.org"}
    with pytest.raises(PublishError, match="PACKMILL_PLATFORMS"):
        check_addresses(request, read_settings(policy))


def test_later_jobs_get_the_address_of_the_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    place = "https://platform.example.org/processes/ada.trees.main"
    built = Built(
        folder=Path("packages"),
        packages=(),
        image=_IMAGE,
        image_built=False,
        changed=False,
        processes=(),
        commit="0" * 40,
        deployed=(place,),
    )
    stages._report(built)

    assert f"PACKMILL_DEPLOYED={place}\n" in Path("packmill.env").read_text()
