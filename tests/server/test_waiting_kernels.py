"""Kernels that are started ahead of their runs, in processes of their own."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from generator.runner.kernels.specs import find_kernels
from generator.runner.server.kernels.cold import WaitingKernel


def test_a_kernel_for_which_the_disk_has_no_space_leaves_no_folder(
    small_disk: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is tried again with each run of its kind."""
    (tmp_path / "home").mkdir()
    (tmp_path / "home/.cdsapirc").write_bytes(bytes(30_000))
    (tmp_path / "note.json").write_text(json.dumps({"home": str(tmp_path / "home")}))
    monkeypatch.setattr("generator.runner.image_note._note", tmp_path / "note.json")
    (small_disk / "ballast").write_bytes(bytes(shutil.disk_usage(small_disk).free - 16_384))

    with pytest.raises(OSError, match="No space left"):
        WaitingKernel(find_kernels(os.environ)[0], {"HOME": "/nowhere"}, small_disk)

    assert [path.name for path in small_disk.iterdir()] == ["ballast"]
