"""A package carries the folder in the repository that is a default, unless it holds something else."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from support import git, write_notebook

from generator.documents.examples import example_files
from generator.process.process import read_process


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
