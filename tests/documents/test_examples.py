"""A package carries the folder in the repository that is a default, unless it holds something else."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from document_context import context_of
from support import git, write_notebook

from generator.documents.examples import example_files
from generator.documents.package import package
from generator.process.process import read_process
from generator.service.archives import Archive


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    folder = tmp_path / "repository"
    write_notebook(folder / "process.ipynb", "x = 'in/'  # type: stage-in")
    (folder / "in" / "items").mkdir(parents=True)
    (folder / "in" / "catalog.json").write_text("{}")
    (folder / "in" / "items" / "a.json").write_text("[]")
    (tmp_path / "secret").write_text("secret")
    return folder


def carried(repository: Path) -> dict[str, dict[str, bytes]]:
    return example_files(repository, read_process(repository, "process.ipynb"))


def test_a_folder_is_carried_with_its_folders(repository: Path) -> None:
    assert carried(repository) == {"in/": {"catalog.json": b"{}", "items/a.json": b"[]"}}


def _replace_by_link(repository: Path) -> None:
    (repository / "in").rename(repository.parent / "elsewhere")
    (repository / "in").symlink_to(repository.parent / "elsewhere")


@pytest.mark.parametrize(
    "change",
    [
        lambda folder: (folder / "in" / "items" / "out").symlink_to(folder.parent / "secret"),
        lambda folder: (folder / "in" / "out").symlink_to(folder.parent),
        _replace_by_link,
        lambda folder: (folder / "in" / "big").write_bytes(bytes(2 * 1024**2)),
        lambda folder: [(folder / "in" / f"{number}").touch() for number in range(100)],
        lambda folder: git(folder / "in" / "items", "init", "--quiet"),
        lambda folder: (folder / "in" / os.fsdecode(b"gr\xfcn")).touch(),
        lambda folder: (folder / "in" / "a\nb").touch(),
    ],
    ids=["link-to-a-file", "link-to-a-folder", "is-a-link", "large", "many-files", "git", "not-utf-8", "line-break"],
)
def test_a_folder_with_more_than_small_files_is_not_carried(repository: Path, change: Callable[[Path], object]) -> None:
    change(repository)

    assert carried(repository) == {}


def test_a_folder_that_looks_like_a_package_of_another_repository_is_not_listed(
    repository: Path, tmp_path: Path
) -> None:
    """Its form would be shown in place of the other's, and its image would get what people type."""
    package_of_another = package(context_of("n = 1"), environment=(), image_digest=None, tools={})
    for name in ("package.json", "process.cwl"):
        for folder in ("in", "in/items"):
            (repository / folder / name).write_bytes(_bytes(package_of_another[name]))
    context = replace(context_of("x = 'in/'  # type: stage-in"), examples=carried(repository))
    files = package(context, environment=(), image_digest=None, tools={})
    with zipfile.ZipFile(tmp_path / "artifacts.zip", "w") as packed:
        for name, content in files.items():
            packed.writestr(f"packages/a/b/main/{name}", content)
            packed.writestr(f"packages/a/b/main/example/{name}", content)  # of the process example.ipynb

    found = Archive(tmp_path / "artifacts.zip").packages()

    assert list(found) == ["packages/a/b/main", "packages/a/b/main/example"]


def _bytes(content: str | bytes) -> bytes:
    return content.encode() if isinstance(content, str) else content
