"""The store of an engine that a run of the tests starts: a file system that ends with the run."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from engine_store import create_store, has_store, remove_store


def test_a_store_is_a_file_system_that_leaves_nothing(tmp_path: Path) -> None:
    options = create_store(tmp_path)
    if not options:
        pytest.skip("this machine mounts no file of its own")
    place = Path(options[1])
    assert (options[0], place.parent.is_mount(), has_store(tmp_path)) == ("--data-root", True, True)
    (place / "layers").mkdir(parents=True)

    remove_store(tmp_path)

    assert not place.parent.is_mount()
    assert not place.exists()
    devices = ["losetup", "--associated", tmp_path / "store.ext4"]
    assert subprocess.run(devices, capture_output=True, text=True, check=True).stdout == ""
