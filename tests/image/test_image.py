"""Image names and keys, the output of the probe, and secrets in addresses."""

from __future__ import annotations

import re
from contextlib import nullcontext
from dataclasses import replace
from datetime import datetime, timezone
from hashlib import sha256
from itertools import combinations, product
from pathlib import Path

import pytest

from generator.containers import engine
from generator.environment.environment import BuildPack, Environment
from generator.image import build
from generator.image.base.find import Base
from generator.image.keys import image_key, runner_key
from generator.image.names import key_label, labels, pushed_reference, reference
from generator.image.pythons import ImagePythons, parse_pythons
from generator.image.runner import EarlyRunner
from generator.metadata.metadata import Metadata
from generator.progress import Progress
from generator.repository.address import parse_repository
from generator.repository.source import Source
from generator.request.checks import check_reference
from generator.shared.safe_text import redacted

_ADDRESSES = (
    "https://a.example.org/ada/trees.git",
    "https://b.example.org/ada/trees.git",
    "https://a.example.org:8443/ada/trees.git",
    "https://a.example.org/Ada/Trees.git",
    "https://a.example.org/a.b/c",
    "https://a.example.org/a/b.c",
    "https://a.example.org/group/sub/name",
    "https://a.example.org/group.sub/name",
    "https://a.example.org/group-sub/name",
    "https://a.example.org/%E6%9C%A8/%E6%A3%AE",
    "https://a.example.org/%E6%A3%AE/%E6%9C%A8",
    "https://a.example.org/" + "long/" * 60 + "trees",
    "https://b.example.org/" + "long/" * 60 + "trees",
)
_CHECKOUTS = (
    ("main", "0123456789ab" + "0" * 28),
    ("main", "0123456789ab" + "1" * 28),
    ("feature/x", "a" * 40),
    ("feature-x", "b" * 40),
    ("0123456789ab", "0123456789ab" + "2" * 28),
    ("x" * 200, "c" * 40),
    ("x" * 200, "c" * 64),
)
_ENVIRONMENTS = ("repository", "environment.yml 0", "environment.yml 1")


def _source(address: str, checkout: str, commit: str) -> Source:
    repository = parse_repository(address)
    time = datetime(2026, 2, 3, tzinfo=timezone.utc)
    return Source(
        address=repository.address,
        owner=repository.owner,
        name=repository.name,
        checkout=checkout,
        commit=commit,
        message="",
        time=time,
    )


def test_no_two_addresses_commits_or_environments_share_an_image_name() -> None:
    names = [
        reference(_source(address, *checkout), environment=environment)
        for address, checkout, environment in product(_ADDRESSES, _CHECKOUTS, _ENVIRONMENTS)
    ]

    assert [pair for pair in combinations(names, 2) if pair[0] == pair[1]] == []
    assert len({pushed_reference("registry.example.org/group", name) for name in names}) == len(names)
    for name in names:
        assert check_reference(name) == name
        assert len(name.rpartition(":")[2]) <= 128
        assert re.search(r"-[0-9a-f]{12}-[0-9a-f]{16}$|:[0-9a-f]{12}-[0-9a-f]{16}$", name)


def test_the_same_commit_and_request_give_the_same_readable_name() -> None:
    source = _source("https://a.example.org/ada/trees.git", "feature/x", "a" * 40)

    assert reference(source) == "ada.trees:feature-x-aaaaaaaaaaaa-d31d213db16c9bcb"


def test_images_of_two_hosts_have_two_source_labels() -> None:
    """A package artifact is named by the image's digest, so the image contains its address."""
    hosts = [_source(f"https://{host}.example.org/ada/trees.git", "main", "a" * 40) for host in "ab"]

    assert len({labels(source, "key", Metadata())["org.opencontainers.image.source"] for source in hosts}) == 2


def test_pythons_are_read_from_the_output_of_the_probe() -> None:
    printed = "runner /usr/local/bin/python3 cpython-312 x86_64 glibc-2.36\nkernel python3 cpython-312\n"

    assert parse_pythons(printed) == ImagePythons(
        runner_python="/usr/local/bin/python3",
        runner_version="cpython-312",
        machine="x86_64",
        libc="glibc-2.36",
        kernel_python="python3",
        kernel_version="cpython-312",
    )


@pytest.mark.parametrize(
    "printed",
    [
        "",
        "runner\nkernel\n",
        'runner /usr/bin/python3";id;" cpython-312 x86_64 glibc-2.36\nkernel "$(id)" cpython-312\n',
        "runner python3 cpython-312 x86_64 glibc-2.36\n",
        "runner /bin/python3 `id` x86_64 glibc-2.36\nkernel sh cpython-312\n",
    ],
)
def test_shell_syntax_in_the_output_of_the_probe_is_ignored(printed: str) -> None:
    assert parse_pythons(printed) == ImagePythons()


def test_an_image_with_lfs_pointers_has_another_key_than_that_with_the_files(monkeypatch: pytest.MonkeyPatch) -> None:
    """The server of the files may answer the next time that the commit is built."""
    monkeypatch.setattr(build.engine, "architecture", lambda: "amd64")
    complete = _source("https://a.example.org/ada/trees.git", "main", "a" * 40)
    sources = [complete, *(replace(complete, pointers=paths) for paths in (("a.tif",), ("a.tif", "b.tif")))]
    environment = Environment(folder="", files=("environment.yml",), buildpack=BuildPack.REPO2DOCKER)
    planned = [
        build._plan_environment(
            build.ImageSpec(
                reference="image",
                source=source,
                folder=Path(),
                environment=environment,
                environment_key="repository",
                base_image=None,
            ),
            Progress(),
        )
        for source in sources
    ]

    assert len({image_key(source, environment="e") for source in sources}) == 3
    assert len({one.key for one in planned}) == 3, "repo2docker copies the repository into the environment"


@pytest.mark.parametrize("pack", [BuildPack.PLAIN_PYTHON, BuildPack.REPO2DOCKER])
def test_an_image_with_lfs_files_is_not_replaced_by_one_with_pointers(
    pack: BuildPack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both have one name, so the image with pointers would be pushed over that with the files."""
    data, labels_in_engine = b"data" * 1000, dict[str, str]()
    pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{sha256(data).hexdigest()}\nsize 4000\n"
    environment = Environment(folder="", files=("postBuild",), buildpack=pack)
    for name, content in {"with-files": data, "with-pointers": pointer.encode()}.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "postBuild").write_text("true\n")
        (tmp_path / name / "a.tif").write_bytes(content)
    source = _source("https://a.example.org/ada/trees.git", "main", "a" * 40)

    def compose(_spec: build.ImageSpec, _environment: str, _layers: tuple[str, str], key: str, _: Progress) -> None:
        labels_in_engine[key_label] = key

    def ensure(name: str, *, pointers: tuple[str, ...] = ()) -> tuple[bool, bool]:
        folder, own = tmp_path / name, replace(source, pointers=pointers)
        found = build.ensure_image(
            build.ImageSpec(
                reference="image",
                source=own,
                folder=folder,
                environment=environment,
                environment_key="repository",
                base_image=None,
            ),
            Progress(),
        )
        return found.built, found.is_same(labels_in_engine)

    image = engine.Image(id="sha256:0", digest=None, size=0, config={"Labels": labels_in_engine})
    monkeypatch.setattr(engine, "inspect", lambda _: image)
    monkeypatch.setattr(engine, "architecture", lambda: "amd64")
    monkeypatch.setattr(engine, "history", lambda _: ())
    monkeypatch.setattr(build, "find_base", lambda *_, **_options: Base(reference="base", id="sha256:0", digest=None))
    monkeypatch.setattr(build, "list_present", lambda _: ())
    monkeypatch.setattr(build, "describe_layers", lambda *_: "")
    monkeypatch.setattr(build, "build_early", lambda _: nullcontext(EarlyRunner()))
    monkeypatch.setattr(build, "_ensure_environment", lambda *_: "environment")
    monkeypatch.setattr(build, "ensure_runner", lambda *_, **_options: "runner")
    monkeypatch.setattr(build, "_compose", compose)

    assert ensure("with-pointers", pointers=("a.tif",)) == (True, True), "nothing else is available"
    assert ensure("with-pointers", pointers=("a.tif",)) == (False, True)
    assert ensure("with-files") == (True, True)
    assert ensure("with-pointers", pointers=("a.tif",)) == (False, True)
    assert ensure("with-files") == (False, True)


def test_a_runner_depends_on_the_image_that_built_it() -> None:
    assert runner_key(ImagePythons(), built_by="base sha256:0") != runner_key(ImagePythons(), built_by="base sha256:1")


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("https://ada:sesame@example.org/a@v1", "https://example.org/a@v1"),
        ("https://ada:ses/ame@example.org/a", "https://example.org/a"),
        ("https://ada:12@34/sesame@example.org/a", "https://example.org/a"),
        ("https://ada:1234/sesame@example.org/a", "https://example.org/a"),
        ("https://cdn.example.org/gh/a/b@v1/environment.yml", "https://cdn.example.org/gh/a/b@v1/environment.yml"),
        ("https://example.org:8443/a@b?token=sesame#x", "https://example.org:8443/a@b?#x"),
    ],
)
def test_only_secrets_are_removed_from_an_address(address: str, shown: str) -> None:
    assert redacted(address) == shown
