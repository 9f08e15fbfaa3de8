"""A package carries the folder in the repository that is a default, unless it holds something else."""

from __future__ import annotations

import os
import tracemalloc
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from document_context import context_of
from support import git, write_notebook

from generator.documents.examples import Examples, find_examples
from generator.documents.missing_examples import missing_examples
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


def carried(repository: Path) -> Examples:
    return find_examples(repository, read_process(repository, "process.ipynb"))


def test_a_folder_is_carried_with_its_folders(repository: Path) -> None:
    found = carried(repository)

    assert found.names == {"in/": "example/0_in"}
    assert found.read() == {"example/0_in/catalog.json": b"{}", "example/0_in/items/a.json": b"[]"}


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

    assert carried(repository) == Examples(names={}, files={})


def test_spellings_of_one_path_are_one_file(repository: Path) -> None:
    """A list of a few kilobytes would otherwise be a package of gigabytes."""
    write_notebook(
        repository / "process.ipynb",
        "a = ['a.csv', './a.csv', './/a.csv', 'in/../a.csv', 'b.csv']  # type: File[]\n"
        "b = 'in/'  # type: stage-in\n"
        "c = './in/'  # type: stage-in",
    )
    (repository / "a.csv").write_text("1")
    (repository / "b.csv").write_text("2")

    found = carried(repository)

    assert found.names == {
        **dict.fromkeys(["a.csv", "./a.csv", ".//a.csv", "in/../a.csv"], "example/0_a.csv"),
        "b.csv": "example/1_b.csv",
        **dict.fromkeys(["in/", "./in/"], "example/2_in"),
    }
    assert list(found.files) == [
        "example/0_a.csv", "example/1_b.csv", "example/2_in/catalog.json", "example/2_in/items/a.json"
    ]  # fmt: skip


def test_all_files_have_a_size_together(repository: Path) -> None:
    names = _write_large(repository, count=18)
    (repository / "small").write_text("1")
    write_notebook(
        repository / "process.ipynb",
        f"a = {names[:2]}  # type: File[]\nb = {names[2:]}  # type: stage-in[]\nc = 'small'  # type: stage-in",
    )

    assert list(carried(repository).names) == names[:16]


def test_what_still_fits_is_carried_after_what_does_not(repository: Path) -> None:
    names = _write_large(repository, count=16)
    (repository / "small").write_text("1")
    write_notebook(
        repository / "process.ipynb", f"a = {[*names[:15], 'small', names[15], 'in/catalog.json']}  # type: File[]"
    )

    assert list(carried(repository).names) == [*names[:15], "small", "in/catalog.json"]


def test_all_files_have_a_number_together(repository: Path) -> None:
    folders = [f"{number}/" for number in range(11)]
    for folder in folders:
        (repository / folder).mkdir()
        for number in range(100):
            (repository / folder / str(number)).touch()
    write_notebook(repository / "process.ipynb", f"a = {folders}  # type: stage-in[]\nb = 'in/'  # type: stage-in")

    found = carried(repository)

    assert list(found.names) == folders[:10]
    assert len(found.files) == 1000


def test_to_find_what_is_missing_no_file_is_kept_in_memory(repository: Path) -> None:
    write_notebook(repository / "process.ipynb", f"a = {_write_large(repository, count=16)}  # type: stage-in[]")
    process = read_process(repository, "process.ipynb")

    tracemalloc.start()
    try:
        missing = missing_examples(repository, process)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert missing == ()
    assert peak < 1024**2


def _write_large(repository: Path, *, count: int) -> list[str]:
    """Write files of the largest size that a package carries."""
    names = [f"{number}.tif" for number in range(count)]
    for name in names:
        (repository / name).write_bytes(bytes(1024**2))
    return names


def test_a_folder_that_looks_like_a_package_of_another_repository_is_not_listed(
    repository: Path, tmp_path: Path
) -> None:
    """Its form would be shown in place of the other's, and its image would get what people type."""
    package_of_another = package(context_of("n = 1"), environment=(), image_digest=None, tools={})
    for name in ("package.json", "process.cwl"):
        for folder in ("in", "in/items"):
            (repository / folder / name).write_bytes(_bytes(package_of_another[name]))
    found = carried(repository)
    context = replace(context_of("x = 'in/'  # type: stage-in"), example_names=found.names, examples=found.read())
    files = package(context, environment=(), image_digest=None, tools={})
    with zipfile.ZipFile(tmp_path / "artifacts.zip", "w") as packed:
        for name, content in files.items():
            packed.writestr(f"packages/a/b/main/{name}", content)
            packed.writestr(f"packages/a/b/main/example/{name}", content)  # of the process example.ipynb

    listed = Archive(tmp_path / "artifacts.zip").packages()

    assert list(listed) == ["packages/a/b/main", "packages/a/b/main/example"]


def _bytes(content: str | bytes) -> bytes:
    return content.encode() if isinstance(content, str) else content
