"""What is built again and what is not, what images share, and what two builds of the same thing differ in."""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests
from local_images import local_images, remove
from support import Finished, commit_all, git, here, write_notebook

from generator.image.base.find import find_base
from generator.image.runner import Runners, probe_pythons
from generator.image.store import ImageStore

pytestmark = [
    pytest.mark.engine,
    pytest.mark.slow,
    pytest.mark.group("separate base"),
]
needs_registry = pytest.mark.skipif(
    shutil.which("docker-registry") is None, reason="Debian's docker-registry is not installed"
)
_USER, _PASSWORD = "ada", "open sesame"


class Builder:
    """Builds repositories of one test, and looks at what came of it."""

    def __init__(self, folder: Path, packmill: Callable[..., Finished]) -> None:
        self.folder, self.packmill = folder, packmill
        self.said = ""

    def repository(self, name: str, *, requirements: str = "tabulate==0.9.0\n", cell: str = "n + 1") -> Path:
        repository = self.folder / "ada" / name
        write_notebook(repository / "process.ipynb", "n = 1  # type: int", cell)
        (repository / "requirements.txt").write_text(requirements)
        commit_all(repository)
        return repository

    def build(self, repository: Path, *options: str | Path) -> dict[str, Any]:
        built = self.packmill("build", repository, "--output", self.folder / "packages", "--json", *options)
        assert built.code == 0, built.err
        self.said = built.err
        return dict(built.json())


@pytest.fixture
def builder(base_image: str, tmp_path: Path, packmill: Callable[..., Finished]) -> Builder:
    return Builder(tmp_path, packmill)


@pytest.fixture
def login(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PACKMILL_REGISTRY_USER", _USER)
    monkeypatch.setenv("PACKMILL_REGISTRY_PASSWORD", _PASSWORD)


@pytest.fixture(autouse=True)
def own_notes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is remembered from other tests."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@dataclass(frozen=True)
class FreshBuild:
    """A build with ``--no-cache``: its repository and package, the image as it was then, and what the build said."""

    repository: Path
    package: Path
    image: dict[str, Any]
    answer: dict[str, Any]
    said: str


@pytest.fixture(scope="module")
def fresh_builds(separate_base: str, tmp_path_factory: pytest.TempPathFactory) -> list[FreshBuild]:
    """A build, and a rebuild of its package, that use nothing of each other. Several tests share them: they take long.

    Before the rebuild, the branch moves on, the image is removed, and the package names another image.
    """
    folder = tmp_path_factory.mktemp("fresh")
    repository = folder / "ada" / "repeatable"
    write_notebook(repository / "process.ipynb", "n = 1  # type: int", "n + 1")
    (repository / "requirements.txt").write_text("tabulate\nmarkupsafe\n")
    (repository / "apt.txt").write_text("tree\n")
    commit_all(repository)

    def packmill(*words: str | Path) -> FreshBuild:
        command = [sys.executable, "-m", "generator", *map(str, words), "--no-cache", "--json"]
        settings = {"PACKMILL_BASE_IMAGE": separate_base, "XDG_CACHE_HOME": str(folder / "cache")}
        environment = {**os.environ, **settings, "PYTHONPATH": str(here.parent)}
        done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        answer = json.loads(done.stdout)
        package, image = folder / answer["package"], inspect(answer["image"])
        return FreshBuild(repository=repository, package=package, image=image, answer=answer, said=done.stderr)

    first = packmill("build", repository, "--output", "first")
    (repository / "requirements.txt").write_text("something-else\n")
    commit_all(repository, "The branch moves on")
    record = json.loads((first.package / "package.json").read_text())
    remove(record["image"]["reference"])
    record["build"]["options"] = {"image": "localhost/python:3"}
    (first.package / "package.json").write_text(json.dumps(record))
    return [first, packmill("rebuild", first.package, "--output", "again", "--trust")]


def inspect(image: str) -> dict[str, Any]:
    done = subprocess.run(["docker", "image", "inspect", image], capture_output=True, text=True, check=True)
    return dict(json.loads(done.stdout)[0])


def layers(image: str) -> list[str]:
    return list(inspect(image)["RootFS"]["Layers"])


def test_an_edited_notebook_makes_a_last_layer_anew_and_nothing_else(builder: Builder) -> None:
    repository = builder.repository("edited")
    first = builder.build(repository)
    write_notebook(repository / "process.ipynb", "n = 1  # type: int", "n + 2")
    commit_all(repository)

    second = builder.build(repository)

    before, after = layers(first["image"]), layers(second["image"])
    assert (second["image_built"], before[:-1], before[-1] == after[-1]) == (True, after[:-1], False)
    assert "Building the environment" not in builder.said
    assert "reusing the environment" in builder.said


def test_a_passed_check_is_repeated_only_for_other_imports(builder: Builder) -> None:
    repository = builder.repository("checked", cell="import tabulate")
    notebook, again = repository / "process.ipynb", "passed the check before"

    def edit(*cells: str) -> None:
        write_notebook(notebook, "n = 1  # type: int", *cells)
        commit_all(repository)

    first = builder.build(repository)
    assert again not in builder.said
    edit("n + 1", "import tabulate")
    second = builder.build(repository)
    assert again in builder.said
    edit("import tabulate", "import no_such_module")
    failed = [builder.packmill("build", repository, "--output", builder.folder / "failed") for _ in range(2)]
    assert [(one.code, again in one.err) for one in failed] == [(16, False), (16, False)]
    (repository / "own.py").touch()
    edit("import tabulate", "import own")
    builder.build(repository)
    assert again not in builder.said
    assert first["image"] != second["image"]


def test_edited_requirements_leave_the_runner_as_it_is(builder: Builder) -> None:
    # an earlier run of this test may have left environments of the same files in the engine
    repository = builder.repository("requirements", requirements=f"tabulate==0.9.0\n# {secrets.token_hex(8)}\n")
    first = builder.build(repository)
    (repository / "requirements.txt").write_text(f"tabulate==0.8.10; platform_release != '{secrets.token_hex(8)}'\n")
    commit_all(repository)

    second = builder.build(repository)

    before, after = layers(first["image"]), layers(second["image"])
    *above, runner, server, repository_layer = before
    assert sum(one not in after for one in above) == 1, "the environment"
    assert (after[-3:-1], repository_layer in after) == ([runner, server], False)
    assert "Building the environment" in builder.said
    assert "Building the runner" not in builder.said


def test_two_repositories_with_the_same_requirements_share_their_environment(builder: Builder) -> None:
    one = builder.build(builder.repository("one", requirements="tabulate==0.8.9\n"))
    other = builder.build(builder.repository("other", requirements="tabulate==0.8.9\n", cell="n - 1"))

    assert layers(one["image"])[:-1] == layers(other["image"])[:-1]
    assert "Building the environment" not in builder.said


def test_what_a_repository_s_own_cache_had_a_part_in_is_its_own(builder: Builder) -> None:
    """An earlier commit of it could have left something there."""

    def built(name: str) -> dict[str, Any]:
        repository = builder.folder / "ada" / name
        write_notebook(repository / "process.ipynb", "n = 1  # type: int", "import alike")
        (repository / "setup.py").write_text(
            "from setuptools import setup\nsetup(name='alike', py_modules=['alike'])\n"
        )
        (repository / "alike.py").write_text("")
        commit_all(repository)
        return builder.build(repository)

    one, other = built("built-one"), built("built-other")

    assert "Building the environment" in builder.said
    assert layers(one["image"])[:-1] == layers(other["image"])[:-1], "though it is the same"


def test_an_unchanged_commit_is_not_built_again(builder: Builder) -> None:
    """Its start script need not be a program, and its labels may have umlauts."""
    repository = builder.folder / "ada" / "Bäume"
    write_notebook(repository / "process.ipynb", "n = 1  # type: int")
    (repository / "start").write_text('#!/bin/sh\nexec "$@"\n')
    commit_all(repository)
    first = builder.build(repository)

    second = builder.build(repository)

    assert (second["image_built"], second["changed"], second["image"]) == (False, False, first["image"])
    assert "is up to date" in builder.said
    assert inspect(first["image"])["Config"]["Labels"]["org.opencontainers.image.title"] == "ada/Bäume"


def test_two_builds_of_a_commit_have_the_same_layers_and_differ_in_time_and_key_alone(
    fresh_builds: list[FreshBuild],
) -> None:
    first, second = (one.image for one in fresh_builds)
    said = fresh_builds[1].said

    assert "Installed 2 packages" in said, "the environment is really made again"
    step = re.search(r"(#\d+) .*install\.sh", said)
    assert step, f"so is the runner\n{said}"
    cached = rf"{step[1]} .*install\.sh.*\n\s*{step[1]} CACHED"  # other builds have steps of the same number
    assert not re.search(cached, said)
    assert first["RootFS"]["Layers"] == second["RootFS"]["Layers"]
    keys = [image["Config"]["Labels"].pop("org.packmill.key") for image in (first, second)]
    assert keys[0] != keys[1], "the second installs the lock of the first"
    different = {name for name in first if first[name] != second[name]} - {"RepoTags", "Metadata", "GraphDriver"}
    assert different == {"Id", "Created"}


def test_names_of_caches_are_in_no_log(fresh_builds: list[FreshBuild]) -> None:
    for build in fresh_builds:
        assert "install.py resolve" in build.said
        assert "packmill-uv" not in build.said


def test_a_package_is_rebuilt_from_its_own_provenance(fresh_builds: list[FreshBuild]) -> None:
    package, again, answer = fresh_builds[0].package, fresh_builds[1].package, fresh_builds[1].answer
    record = json.loads((package / "package.json").read_text())
    said = fresh_builds[1].said

    assert record["build"]["layers"] == fresh_builds[0].image["RootFS"]["Layers"]
    assert "tabulate==" in (package / "requirements.lock").read_text()
    assert "--hash=sha256:" in (package / "requirements.lock").read_text()
    assert (answer["same_layers"], answer["layers"]) == (len(record["build"]["layers"]),) * 2
    assert "layers are identical" in said
    assert sorted(path.name for path in again.iterdir()) == sorted(path.name for path in package.iterdir())
    same = {path.name for path in package.iterdir() if (again / path.name).read_bytes() == path.read_bytes()}
    assert {path.name for path in package.iterdir()} - same == {"package.json"}, "which was edited here"
    assert "the package's image was named localhost/python:3" in said
    assert local_images("localhost/python") == []


def test_the_bill_of_materials_names_what_is_in_the_image(fresh_builds: list[FreshBuild]) -> None:
    package = fresh_builds[0].package
    tabulate = re.search(r"tabulate==([\d.]+)", (package / "requirements.lock").read_text())
    assert tabulate

    bom = json.loads((package / "sbom.cdx.json").read_text())

    purls = {component.get("purl", "").partition("?")[0] for component in bom["components"]}
    assert (bom["bomFormat"], bom["specVersion"]) == ("CycloneDX", "1.6")
    names = {purl.partition("@")[0] for purl in purls}
    assert {f"pkg:pypi/tabulate@{tabulate[1]}", "pkg:pypi/papermill@2.7.0"} <= purls
    assert {"pkg:pypi/nbconvert", "pkg:pypi/ipykernel", "pkg:pypi/fastapi"} <= names, "runner, kernel and server, too"
    assert not {"pkg:pypi/obstore", "pkg:pypi/paramiko"} & names, "what moves data is in the staging image"
    assert any(purl.startswith("pkg:deb/debian/libc6@") for purl in purls)
    assert "sbom.cdx.json" in json.loads((package / "package.json").read_text())["documents"]


@needs_registry
def test_images_of_different_repositories_share_the_runners_blob_in_the_registry(
    builder: Builder, registry: str, login: None, separate_base: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PACKMILL_BASE_IMAGE", separate_base)
    one = builder.build(builder.repository("blob-one"), "--push", f"{registry}/group")
    other = builder.build(builder.repository("blob-other", requirements="six\n"), "--push", f"{registry}/group")

    manifests = [_manifest(registry, built["image"]) for built in (one, other)]
    blobs = [[layer["digest"] for layer in manifest["layers"]] for manifest in manifests]
    # base, user, environment, its empty working directory, runner, repository
    assert blobs[0][-2] == blobs[1][-2]
    assert blobs[0][-1] != blobs[1][-1]
    assert len(set(blobs[0]) - set(blobs[1])) == 2, "environment and repository"
    assert "Building the runner" not in builder.said


def _manifest(registry: str, image: str) -> dict[str, Any]:
    name, _, digest = image.partition("@")
    kinds = "application/vnd.oci.image.manifest.v1+json, application/vnd.docker.distribution.manifest.v2+json"
    answer = requests.get(
        f"http://{registry}/v2/{name.partition('/')[2]}/manifests/{digest}",
        headers={"Accept": kinds},
        auth=(_USER, _PASSWORD),
        timeout=60,
    )
    assert answer.status_code == 200
    return dict(answer.json())


@needs_registry
def test_an_image_that_the_registry_has_is_neither_built_nor_pushed(
    builder: Builder, registry: str, login: None
) -> None:
    repository = builder.repository("in-the-registry")
    first = builder.build(repository, "--push", f"{registry}/group")
    remove(first["image"], *local_images("ada.in-the-registry"))

    second = builder.build(repository, "--push", f"{registry}/group")

    assert (second["image"], second["image_built"], second["changed"]) == (first["image"], False, False)
    assert "Adding the runner" not in builder.said
    assert "is already in the registry" in builder.said
    assert local_images("ada.in-the-registry") == [], "what a registry holds is not trusted under a local name"


@needs_registry
def test_a_runner_that_starts_empty_takes_environment_and_runner_from_the_shared_registry(
    builder: Builder, registry: str, login: None, separate_base: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PACKMILL_BASE_IMAGE", separate_base)  # other tests need the runner of the usual one
    runners = Runners(base=find_base(separate_base, say=print), store=ImageStore())
    cache = ("--cache-registry", f"{registry}/cache")
    first = builder.build(builder.repository("cached", requirements="tabulate==0.8.7\n"), *cache)
    before = layers(first["image"])
    own = local_images("localhost/packmill/environment", label=f"test={separate_base}")
    remove(first["image"], *own, runners.reference(runners.pythons(separate_base)))

    second = builder.build(builder.folder / "ada" / "cached", *cache)

    assert layers(second["image"]) == before
    assert "Building the environment" not in builder.said
    assert "Building the runner" not in builder.said
    assert builder.said.count("fetched") == 2


def test_a_rebuild_says_what_is_no_package(tmp_path: Path, packmill: Callable[..., Finished]) -> None:
    repository = tmp_path / "ada" / "bare"
    write_notebook(repository / "process.ipynb", "n = 1")
    commit_all(repository)
    git(repository, "status")
    without_image = packmill("build", repository, "--no-image", "--output", tmp_path / "packages")

    for folder, said in (
        (tmp_path, "not a readable package"),
        (Path(without_image.out.strip()), "because of --no-image"),
    ):
        refused = packmill("rebuild", folder)
        assert (refused.code, said in refused.err) == (2, True), refused.err


def test_an_environment_of_the_repositorys_own_making_makes_nobody_elses_runner(builder: Builder) -> None:
    """Its programs could say that they are the base's, and make a runner that does more than it says."""
    base = find_base(None, say=print)
    honest = probe_pythons(base.pinned)

    shared = Runners(base=base, store=ImageStore())
    other = Runners(base=None, store=ImageStore()).suit(base.pinned)

    assert other.reference(honest) != shared.reference(honest)


def test_what_the_repository_calls_packmill_runner_is_not_asked_what_is_in_the_image(builder: Builder) -> None:
    repository = builder.repository("liar")
    liar = repository / ".local" / "bin" / "packmill-runner"
    liar.parent.mkdir(parents=True)
    liar.write_text('#!/bin/sh\necho \'{"kernel": null, "warnings": [], "contents": [], "locks": {}}\'\n')
    liar.chmod(0o755)
    commit_all(repository)

    package = Path(builder.build(repository)["package"])

    assert "tabulate==0.9.0" in (package / "requirements.lock").read_text()
    assert len(json.loads((package / "sbom.cdx.json").read_text())["components"]) > 50
