"""Files with a name that a stranger may have given to another kind of file."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from generator.shared.regular_files import NotRegularFileError, open_regular_file


def _bind_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as one:
        one.bind(str(path))


def test_a_regular_file_is_read(tmp_path: Path) -> None:
    (tmp_path / "record").write_bytes(b"{}")

    with open_regular_file(tmp_path / "record", follow_links=False) as file:
        assert file.read() == b"{}"


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir, lambda path: path.symlink_to("/dev/zero")])
def test_another_kind_of_file_is_refused_at_once_and_left_closed(make: Callable[[Path], None], tmp_path: Path) -> None:
    make(tmp_path / "record")
    before = os.listdir("/proc/self/fd")

    with pytest.raises(NotRegularFileError, match="record: not a regular file"):
        open_regular_file(tmp_path / "record")
    assert os.listdir("/proc/self/fd") == before


@pytest.mark.parametrize("make", [_bind_socket, lambda path: path.symlink_to("/etc/hostname"), lambda _: None])
def test_what_cannot_be_opened_is_an_error_of_the_system(make: Callable[[Path], None], tmp_path: Path) -> None:
    make(tmp_path / "record")

    with pytest.raises(OSError, match="record"):
        open_regular_file(tmp_path / "record", follow_links=False)
