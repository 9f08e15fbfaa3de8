"""Copies of results that fail: no part of a file counts as one."""

from __future__ import annotations

import errno
import json
import os
import resource
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from support import notebook

from generator.runner.document.document import join_text, read_document
from generator.runner.packaged.in_place import NotebookFolder
from generator.runner.packaged.repository_location import RepositoryLocation
from generator.runner.packaged.tidying import tidy
from generator.runner.packaged.workspace import Workspace

_LARGEST = 1 << 16


@pytest.fixture
def output(tmp_path: Path) -> Path:
    (tmp_path / "home").mkdir()
    (tmp_path / "output").mkdir()
    return tmp_path / "output"


@contextmanager
def _files_of_a_limited_size(largest: int = _LARGEST) -> Iterator[None]:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (largest, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def _large_file(path: Path) -> Path:
    path.write_bytes(b"x" * (_LARGEST + 1))
    return path


def _notebook_folder(home: Path) -> NotebookFolder:
    folder = NotebookFolder(top=home, process="in.ipynb")
    folder.fill(RepositoryLocation(home, frozenset()), written=["*.bin"])
    return folder


def test_a_part_of_an_output_in_place_is_no_result(output: Path) -> None:
    folder = _notebook_folder(output.parent / "home")
    _large_file(output.parent / "home" / "a.bin")

    with _files_of_a_limited_size():
        warnings = folder.collect(output)

    assert warnings == ["a.bin: not collected: File too large"]
    assert list(output.iterdir()) == []


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_fails_a_run_in_place(number: int, output: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = _notebook_folder(output.parent / "home")
    _large_file(output.parent / "home" / "a.bin")

    def copy(_source: Path, target: Path) -> None:
        target.write_bytes(b"x")
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(shutil, "copyfile", copy)

    with pytest.raises(OSError, match=os.strerror(number)):
        folder.collect(output)
    assert list(output.iterdir()) == []


def test_a_part_of_what_a_link_leads_to_is_no_result(output: Path) -> None:
    (output / "a.bin").symlink_to(_large_file(output.parent / "home" / "large.bin"))

    with _files_of_a_limited_size():
        warnings = tidy(output)

    assert warnings == ["a.bin: not collected: File too large"]
    assert list(output.iterdir()) == []


def test_a_part_of_a_result_from_another_file_system_is_no_result(
    output: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def rename(*_paths: object) -> None:
        raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))

    (output.parent / "repository").mkdir()
    workspace = Workspace(top=output.parent / "copy", process="in.ipynb")
    workspace.fill(RepositoryLocation(output.parent / "repository", frozenset()))
    _large_file(workspace.top / "a.bin")
    monkeypatch.setattr(os, "rename", rename)

    with _files_of_a_limited_size():
        warnings = workspace.collect(output)

    assert warnings == ["a.bin: not collected: File too large"]
    assert list(output.iterdir()) == []


def test_a_cell_for_which_the_disk_has_no_space_leaves_all_cells_readable(tmp_path: Path) -> None:
    document = read_document(json.dumps(notebook("print(1)", "print(2)")).encode(), "x.ipynb")
    for index, length in enumerate((1_200_000, 5_000)):
        document.cell(index)["outputs"] = [{"output_type": "stream", "name": "stdout", "text": "x" * length}]
    before = join_text(document.text())

    document.store_cell(0, tmp_path)
    with _files_of_a_limited_size(1_202_000):  # a part of the second cell
        with pytest.raises(OSError, match=os.strerror(errno.EFBIG)):
            document.store_cell(1, tmp_path)
        assert join_text(document.text()) == before
    document.store_cell(1, tmp_path)

    assert join_text(document.text()) == before
    document.load_all()
    assert join_text(document.text()) == before
