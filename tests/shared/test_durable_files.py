"""Files reach the disk before their names do. What a power loss leaves is in `security/crashes/test_power_loss.py`."""

from __future__ import annotations

import errno
import os
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
from deep_folders import make_deep

from generator.shared import durable_files
from generator.shared.removal import remove_tree


@pytest.fixture
def synced(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of files and folders in the order in which they are synced, which really happens."""
    names: list[str] = []
    fsync = os.fsync

    def note(descriptor: int) -> None:
        names.append(Path(os.readlink(f"/proc/self/fd/{descriptor}")).name)
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", note)
    return names


def test_a_file_is_synced_before_it_gets_its_name_and_its_folder_after(synced: list[str], tmp_path: Path) -> None:
    new = tmp_path / "folder" / "new"
    new.parent.mkdir()
    new.write_text("x")

    durable_files.replace(new, tmp_path / "folder" / "final")

    assert synced == ["new", "folder"]
    assert (tmp_path / "folder" / "final").read_text() == "x"


def test_the_names_of_new_folders_are_synced(synced: list[str], tmp_path: Path) -> None:
    durable_files.make_folder(tmp_path / "a" / "b", 0o700)

    assert synced == ["a", tmp_path.name]
    assert (tmp_path / "a" / "b").stat().st_mode & 0o777 == 0o700


def test_a_tree_is_synced_without_what_links_lead_to(synced: list[str], tmp_path: Path) -> None:
    (tmp_path / "tree" / "a").mkdir(parents=True)
    (tmp_path / "tree" / "a" / "file").write_text("x")
    (tmp_path / "outside").write_text("x")
    (tmp_path / "tree" / "link").symlink_to("../outside")
    os.mkfifo(tmp_path / "tree" / "pipe")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "another").write_text("x")
    (tmp_path / "top").symlink_to("elsewhere")

    durable_files.sync_tree(tmp_path / "tree")
    durable_files.sync_tree(tmp_path / "top")

    assert {"tree", "a", "file"} <= set(synced)
    assert not {"outside", "elsewhere", "another"} & set(synced)


def test_a_link_that_takes_the_place_of_a_folder_meanwhile_leads_nowhere(
    synced: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for top in ("tree", "outside"):
        (tmp_path / top / "a" / "b").mkdir(parents=True)
    (tmp_path / "outside" / "a" / "b" / "file").write_text("x")
    scandir = os.scandir

    def swap(folder: int) -> Any:
        monkeypatch.setattr(os, "scandir", scandir)
        (tmp_path / "tree").rename(tmp_path / "moved")
        (tmp_path / "tree").symlink_to("outside")
        return scandir(folder)

    monkeypatch.setattr(os, "scandir", swap)
    durable_files.sync_tree(tmp_path / "tree")

    assert synced == ["moved"]


def test_a_tree_of_any_depth_is_written_to_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As far as paths lead: Linux takes 4,096 bytes of one."""
    make_deep(tmp_path, 2500)
    written, fsync = [], os.fsync

    def note(descriptor: int) -> None:
        written.append(descriptor)
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", note)

    durable_files.sync_tree(tmp_path)

    remove_tree(tmp_path / "d")
    assert len(written) > 1900


def test_a_file_that_was_removed_needs_nothing(tmp_path: Path) -> None:
    durable_files.sync(tmp_path / "removed")
    durable_files.sync_tree(tmp_path / "removed")


@pytest.mark.parametrize(("number", "fails"), [(errno.EINVAL, False), (errno.EIO, True), (errno.ENOSPC, True)])
def test_a_broken_disk_is_an_error_and_a_file_system_without_the_call_is_none(
    number: int, fails: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_descriptor: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match=os.strerror(number)) if fails else nullcontext():
        durable_files.sync(tmp_path)
