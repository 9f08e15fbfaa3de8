"""Git LFS files: whole ones are packaged, the others are named; a full disk ends the fetch."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import pytest
from support import commit_all, git

from generator.repository.address import parse_repository
from generator.repository.fetch import Checkout, fetch
from generator.repository.git_messages import is_disk_full
from generator.shared.errors import RepositoryError

needs_git_lfs = pytest.mark.skipif(not shutil.which("git-lfs"), reason="git-lfs is not installed")
_SCENE = bytes(range(256)) * 2400
"""600 KB: a small disk has space for it in git-lfs's store, and for a part of it in the checkout."""
_PART = "head -c 300000 /dev/zero > scene.tif"
"""A script that writes a part of the file, as git-lfs does."""


def pointer(content: bytes) -> str:
    return (
        f"version https://git-lfs.github.com/spec/v1\noid sha256:{sha256(content).hexdigest()}\nsize {len(content)}\n"
    )


@pytest.fixture
def repository(repository: Path) -> Path:
    """A repository with the Git LFS file ``scene.tif``."""
    return with_scene(repository)


def with_scene(repository: Path) -> Path:
    """Commit ``scene.tif`` as git-lfs does: the commit has its pointer, the store and the working tree the file."""
    (repository / ".gitattributes").write_text("*.tif filter=lfs diff=lfs merge=lfs -text\n")
    (repository / "scene.tif").write_text(pointer(_SCENE))
    commit_all(repository)
    digest = sha256(_SCENE).hexdigest()
    stored = repository / ".git/lfs/objects" / digest[:2] / digest[2:4] / digest
    stored.parent.mkdir(parents=True)
    stored.write_bytes(_SCENE)
    (repository / "scene.tif").write_bytes(_SCENE)
    return repository


def checkout_of(repository: Path, folder: Path) -> Checkout:
    return fetch(parse_repository(str(repository)), None, folder / "checkout")


def replace_git_lfs(folder: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    """Let git start a shell script in the place of git-lfs."""
    folder.mkdir()
    (folder / "git-lfs").write_text(f"#!/bin/sh\n{script}\n")
    (folder / "git-lfs").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")


@needs_git_lfs
def test_the_files_are_packaged(repository: Path, tmp_path: Path) -> None:
    checkout = checkout_of(repository, tmp_path)

    assert (checkout.folder / "scene.tif").read_bytes() == _SCENE
    assert (checkout.pointers, checkout.warnings) == ((), ())


@needs_git_lfs
@pytest.mark.parametrize("content", [_SCENE, pointer(_SCENE).encode()], ids=["the file", "its pointer"])
def test_a_working_tree_with_the_file_or_its_pointer_has_no_change(
    content: bytes, repository: Path, tmp_path: Path
) -> None:
    (repository / "scene.tif").write_bytes(content)

    assert checkout_of(repository, tmp_path).warnings == ()


@needs_git_lfs
def test_a_change_of_the_file_is_named(repository: Path, tmp_path: Path) -> None:
    (repository / "scene.tif").write_bytes(bytes(len(_SCENE)))
    (repository / "grün\n.txt").write_text("new")

    assert checkout_of(repository, tmp_path).warnings == (
        "not committed and therefore not packaged: scene.tif, grün\\n.txt",
    )


@needs_git_lfs
@pytest.mark.parametrize("instead", [Path.mkdir, os.mkfifo, lambda path: path.symlink_to("/dev/zero"), lambda _: None])
def test_what_is_in_the_place_of_the_file_is_a_change(
    instead: Callable[[Path], object], repository: Path, tmp_path: Path
) -> None:
    (repository / "scene.tif").unlink()
    instead(repository / "scene.tif")

    assert checkout_of(repository, tmp_path).warnings == ("not committed and therefore not packaged: scene.tif",)


@needs_git_lfs
def test_a_full_disk_ends_the_fetch(repository: Path, small_disk: Path) -> None:
    """git-lfs writes to the checkout itself, and then can end with code 0."""
    with pytest.raises(RepositoryError, match="is the disk full") as caught:
        checkout_of(repository, small_disk)

    assert "installed" not in str(caught.value)


def test_a_full_disk_that_git_lfs_does_not_report_ends_the_fetch(
    repository: Path, small_disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    replace_git_lfs(small_disk / "bin", monkeypatch, f"{_PART}; head -c 600000 /dev/zero > .git/lfs-object")

    with pytest.raises(RepositoryError, match="is the disk full"):
        checkout_of(repository, small_disk)


@pytest.mark.parametrize(
    "script",
    [f"{_PART}; kill -9 $$", _PART, f"head -c {len(_SCENE)} /dev/zero > scene.tif", "rm scene.tif"],
    ids=["killed", "a part", "another content", "removed"],
)
def test_a_file_that_is_not_whole_is_a_missing_one(
    script: str, repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its pointer is in its place again: keys of images, and messages about notebooks and defaults, depend on it."""
    replace_git_lfs(tmp_path / "bin", monkeypatch, script)

    checkout = checkout_of(repository, tmp_path)

    assert checkout.source.pointers == ("scene.tif",)
    assert (checkout.folder / "scene.tif").read_text() == pointer(_SCENE)
    assert checkout.warnings == (
        "Git LFS files could not be fetched, only their pointers are packaged: scene.tif (git-lfs did not fetch them)",
    )


def test_a_file_with_an_extension_of_git_lfs_is_known_by_its_own_digest(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The pointer's ``oid`` is that of the stored file, which the extension's program has changed."""
    stored = pointer(b"packed").replace("oid", f"ext-0-pack sha256:{sha256(_SCENE).hexdigest()}\noid")
    (repository / "scene.tif").write_text(stored)
    commit_all(repository)
    (tmp_path / "unpacked").write_bytes(_SCENE)
    replace_git_lfs(tmp_path / "bin", monkeypatch, f"cp '{tmp_path}/unpacked' scene.tif")

    checkout = checkout_of(repository, tmp_path)

    assert checkout.pointers == ()
    assert (checkout.folder / "scene.tif").read_bytes() == _SCENE


def test_without_git_lfs_the_warning_names_it(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    git_program = shutil.which("git")
    assert git_program
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/git").symlink_to(git_program)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))

    (warning,) = checkout_of(repository, tmp_path).warnings

    assert "scene.tif (is git-lfs installed?)" in warning


@needs_git_lfs
def test_files_of_submodules_are_not_fetched(tmp_path: Path) -> None:
    inner, outer = tmp_path / "ada/inner", tmp_path / "ada/outer"
    for repository in (inner, outer):
        repository.mkdir(parents=True)
    with_scene(inner)
    commit_all(outer)
    git(outer, "submodule", "--quiet", "add", str(inner), "lib")
    commit_all(outer)

    checkout = checkout_of(outer, tmp_path)

    assert checkout.pointers == ("lib/scene.tif",)
    assert "lib/scene.tif (those of submodules are not fetched)" in checkout.warnings[0]


def test_git_lfs_names_a_full_disk_in_lower_case() -> None:
    assert is_disk_full("error transferring 'x': [0] write /tmp/x: no space left on device")
    assert is_disk_full("write /tmp/x: disk quota exceeded")
