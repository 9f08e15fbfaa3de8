"""Folders with more levels than programs can follow are walked to a bound."""

from __future__ import annotations

from pathlib import Path

import pytest
from deep_folders import make_deep

from generator.shared.folder_levels import deepest, paths_below
from generator.shared.removal import remove_tree


@pytest.mark.parametrize("levels", [deepest, 1200, 2500])
def test_a_walk_ends_where_folders_are_too_deep_and_names_the_first_one(levels: int, tmp_path: Path) -> None:
    make_deep(tmp_path, levels, "open('file', 'w').close()")
    (tmp_path / "link").symlink_to(tmp_path)
    deeper: list[Path] = []

    found = list(paths_below(tmp_path, on_deeper=deeper.append))

    assert len(found) == deepest + (2 if levels == deepest else 1)
    assert [len(path.relative_to(tmp_path).parts) for path in deeper] == [deepest + 1] * (levels > deepest)
    remove_tree(tmp_path / "d")


def test_names_count_as_well(tmp_path: Path) -> None:
    """Fourteen folders with the longest names have a path that results cannot have in another folder."""
    tmp_path.joinpath(*["n" * 250] * 14).mkdir(parents=True)
    deeper: list[Path] = []

    found = list(paths_below(tmp_path, on_deeper=deeper.append))

    assert (len(found), len(deeper)) == (11, 1)
