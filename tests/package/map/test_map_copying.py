"""Results of a row are copied before they are checked: every kind of entry, whatever permissions it has."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from generator.package.map.copying import LimitExceededError, copy_folder
from generator.shared.write_limits import WriteLimits


def test_a_copy_has_the_same_files_links_permissions_and_times(tmp_path: Path) -> None:
    source = tmp_path / "output"
    (source / "maps").mkdir(parents=True)
    (source / "maps" / "a.txt").write_text("a" * 100)
    (source / "maps" / "a.txt").chmod(0o6750)
    os.utime(source / "maps" / "a.txt", ns=(1, 2))
    (source / "link").symlink_to("maps/a.txt")
    (source / "elsewhere").symlink_to("/etc")

    copy_folder(source, tmp_path / "copy")

    copy = tmp_path / "copy"
    assert (copy / "maps" / "a.txt").read_text() == "a" * 100
    status = (copy / "maps" / "a.txt").stat()
    assert (stat.S_IMODE(status.st_mode), status.st_mtime_ns) == (0o750, 2)
    assert [os.readlink(copy / name) for name in ("link", "elsewhere")] == ["maps/a.txt", "/etc"]
    assert status.st_ino != (source / "maps" / "a.txt").stat().st_ino


def test_what_its_owner_may_not_read_is_copied(tmp_path: Path) -> None:
    (tmp_path / "output" / "maps").mkdir(parents=True)
    (tmp_path / "output" / "maps" / "a.txt").write_text("a")
    (tmp_path / "output" / "maps" / "a.txt").chmod(0)
    (tmp_path / "output" / "maps").chmod(0)

    copy_folder(tmp_path / "output", tmp_path / "copy")

    (tmp_path / "copy" / "maps" / "a.txt").chmod(0o600)
    assert (tmp_path / "copy" / "maps" / "a.txt").read_text() == "a"


def test_a_pipe_stays_one_and_is_not_opened(tmp_path: Path) -> None:
    (tmp_path / "output").mkdir()
    os.mkfifo(tmp_path / "output" / "pipe")

    copy_folder(tmp_path / "output", tmp_path / "copy")

    assert stat.S_ISFIFO((tmp_path / "copy" / "pipe").lstat().st_mode)


def test_a_link_in_the_place_of_the_folder_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "output").symlink_to("/etc")

    with pytest.raises(OSError, match="Not a directory"):
        copy_folder(tmp_path / "output", tmp_path / "copy")


def test_too_many_folders_in_each_other_are_refused(tmp_path: Path) -> None:
    (tmp_path / "output" / "/".join("a" * 300)).mkdir(parents=True)

    with pytest.raises(OSError, match="more than 200 folders in each other"):
        copy_folder(tmp_path / "output", tmp_path / "copy")


@pytest.mark.parametrize(("limits", "limit"), [(WriteLimits(size=5), "MiB"), (WriteLimits(files=1), "1 files")])
def test_a_copy_ends_at_the_limits(limits: WriteLimits, limit: str, tmp_path: Path) -> None:
    (tmp_path / "output").mkdir()
    for name in "ab":
        (tmp_path / "output" / name).write_bytes(b"1234")

    with pytest.raises(LimitExceededError, match=limit):
        copy_folder(tmp_path / "output", tmp_path / "copy", limits)
