"""Reading a ``package.json`` that anyone may have written."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from generator.package.record import read_record


def test_a_named_pipe_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "package.json")

    with pytest.raises(OSError, match="not a regular file"):
        read_record(tmp_path)


def test_lists_in_lists_without_end_are_an_error(tmp_path: Path) -> None:
    (tmp_path / "package.json").write_text("[" * 5000 + "]" * 5000)

    with pytest.raises(ValueError, match="nested too deep"):
        read_record(tmp_path)


def test_what_a_package_says_of_itself_is_read(tmp_path: Path) -> None:
    (tmp_path / "package.json").write_text('{"image": {"reference": "ada.trees:main"}}')

    assert read_record(tmp_path)["image"] == {"reference": "ada.trees:main"}
