"""Limits of what a run may write: how space and files are counted, and when a watch reports."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from deep_folders import make_deep
from waiting import wait_until

from generator.shared.removal import remove_tree
from generator.shared.write_limits import WriteLimits, no_limits, watched

_SIZE = "the run wrote more than 1 MiB, which is the limit of its output"
_FILES = "the run wrote more than 3 files and folders, which is the limit"


def _write(folder: Path, kind: str) -> None:
    folder.mkdir()
    if kind == "large":
        (folder / "a").write_bytes(b"x" * (1 << 20))
        (folder / "b").write_bytes(b"x")
    elif kind == "holes":
        with (folder / "a").open("wb") as file:
            file.truncate(1 << 40)
    elif kind == "many":
        for number in range(4):
            (folder / str(number)).touch()
    elif kind == "links":
        for number in range(4):
            (folder / str(number)).symlink_to("/")
    elif kind == "link":
        folder.rmdir()
        folder.symlink_to("/etc")
    elif kind == "deep":
        (folder / "a" / "b" / "c" / "d").mkdir(parents=True)
    else:
        (folder / "a").write_bytes(b"x" * (1 << 19))


@pytest.mark.parametrize(
    ("kind", "problem"),
    [
        *(("large", _SIZE), ("holes", _SIZE), ("many", _FILES), ("links", _FILES), ("deep", _FILES)),
        *(("little", ""), ("link", "")),
    ],
)
def test_a_limit_that_is_exceeded_is_named(kind: str, problem: str, tmp_path: Path) -> None:
    _write(tmp_path / "written", kind)
    folders = (tmp_path / "written", tmp_path / "missing")

    assert WriteLimits(size=1 << 20, files=3).problem(folders) == problem
    assert no_limits.problem(folders) == ""


@pytest.mark.parametrize("levels", [300, 2500], ids=["that a path reaches", "beyond what a path can name"])
def test_what_is_in_folders_in_each_other_counts(levels: int, tmp_path: Path) -> None:
    make_deep(tmp_path, levels, "open('large', 'wb').truncate(2 << 20)")

    assert WriteLimits(size=1 << 20).problem([tmp_path]).startswith("the run wrote")
    remove_tree(tmp_path / "d")


@pytest.mark.parametrize("mode", [0, stat.S_IRUSR])
def test_what_is_in_a_folder_without_permissions_counts_at_the_end(mode: int, tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    _write(folder, "large")
    folder.chmod(mode)

    assert WriteLimits(size=1 << 20).problem([tmp_path], has_ended=True) == _SIZE
    assert stat.S_IMODE(folder.stat().st_mode) == mode | stat.S_IRUSR | stat.S_IXUSR


def test_folders_count_together(tmp_path: Path) -> None:
    for name in ("a", "b"):
        _write(tmp_path / name, "little")

    assert WriteLimits(size=1 << 20).problem([tmp_path / "a", tmp_path / "b"]) == ""
    assert WriteLimits(size=(1 << 20) - 1).problem([tmp_path / "a", tmp_path / "b"]) != ""


def test_a_watch_reports_each_time_that_it_measures_too_much(tmp_path: Path) -> None:
    reports: list[str] = []
    with watched(lambda: WriteLimits(files=3).problem([tmp_path]), reports.append):
        for number in range(10):
            (tmp_path / str(number)).touch()
        wait_until(lambda: len(reports) > 1, message="the watch has measured twice", seconds=60)

    assert set(reports) == {_FILES}
