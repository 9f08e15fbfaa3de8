"""Files that were uploaded for a run are files of the package that it runs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from generator.ci.uploads import add_uploads
from generator.package.file_objects import missing_files, refuse_local_files
from generator.package.job_file import job_values


def test_an_uploaded_file_may_be_used_where_local_files_may_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    package = tmp_path / "package" / "packages" / "ada" / "trees"
    package.mkdir(parents=True)
    uploaded = Path("uploads", "table", "trees.csv")
    uploaded.parent.mkdir(parents=True)
    uploaded.write_text("height\n")

    add_uploads(package)

    checksum = "sha1$5107fc8585e9cfcf44107545c93033d2fe05213e"
    value = {"class": "File", "path": str(uploaded), "size": 7, "checksum": checksum}
    values = job_values(json.dumps({"table": value}), package, name="the variable 'inputs'")
    refuse_local_files(values, package)
    assert missing_files(values) == []


def test_a_run_without_uploads_has_the_package_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    package = tmp_path / "package"
    package.mkdir()

    add_uploads(package)

    assert list(package.iterdir()) == []
