"""Archives of folders among the results of OGC API - Processes."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import pytest

from generator.runner.server.ogc.raw import _archive


def test_the_archive_of_a_folder_takes_no_disk_space(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "maps"
    (folder / "below").mkdir(parents=True)
    (folder / "below" / "a.txt").write_text("a" * (1 << 20))
    (folder / "link").symlink_to("/etc/hostname")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "missing"))

    pieces = list(_archive(folder))

    assert len(pieces) > 3
    with zipfile.ZipFile(io.BytesIO(b"".join(pieces))) as archive:
        assert archive.namelist() == ["below/a.txt"]
        assert archive.read("below/a.txt") == b"a" * (1 << 20)
