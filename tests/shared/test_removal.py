"""Folders with more levels than Python can follow are removed."""

from __future__ import annotations

from pathlib import Path

import pytest
from deep_folders import make_deep

from generator.shared.removal import remove_tree

_AT_THE_END = """
open('file', 'w').close(); os.symlink('/', 'link'); os.mkfifo('pipe'); os.makedirs('a/b'); os.chmod('a', 0)
"""


@pytest.mark.parametrize("levels", [3, 1200, 2500], ids=["few", "more than Python follows", "more than a path holds"])
def test_a_folder_of_any_depth_is_removed(levels: int, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    make_deep(tmp_path / "folder", levels, _AT_THE_END)

    remove_tree(tmp_path / "folder")

    assert not list(tmp_path.iterdir())


def test_what_a_link_leads_to_is_not_removed(tmp_path: Path) -> None:
    (tmp_path / "kept").mkdir(mode=0o755)
    (tmp_path / "kept" / "file").touch()
    (tmp_path / "folder").mkdir()
    make_deep(tmp_path / "folder", 1200, f"os.symlink({str(tmp_path / 'kept')!r}, 'link')")
    (tmp_path / "folder" / "link").symlink_to(tmp_path / "kept")
    (tmp_path / "top").symlink_to(tmp_path / "kept")

    remove_tree(tmp_path / "folder")
    remove_tree(tmp_path / "top")

    assert sorted(path.name for path in tmp_path.iterdir()) == ["kept", "top"]
    assert (tmp_path / "kept" / "file").exists()
    assert (tmp_path / "kept").stat().st_mode & 0o777 == 0o755
