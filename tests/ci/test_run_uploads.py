"""Files that were uploaded for a run are files of the package that it runs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from generator.ci.uploads import add_uploads
from generator.package.file_objects import missing_files, refuse_local_files
from generator.package.job_file import job_values
from generator.shared.errors import UsageError


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


@pytest.fixture
def uploaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package with that of a process ``uploads.ipynb`` below it, next to a file that was uploaded."""
    monkeypatch.chdir(tmp_path)
    package = tmp_path / "package"
    (package / "uploads").mkdir(parents=True)
    (package / "uploads" / "process.cwl").touch()
    Path("uploads", "table").mkdir(parents=True)
    Path("uploads", "table", "trees.csv").touch()
    return package


def test_uploaded_files_are_added_to_the_package_of_a_process_of_that_name(uploaded: Path) -> None:
    add_uploads(uploaded)

    files = sorted(str(path.relative_to(uploaded)) for path in uploaded.rglob("*") if path.is_file())
    assert files == ["uploads/process.cwl", "uploads/table/trees.csv"]


@pytest.mark.parametrize("place", ["uploads", "uploads/table"])
def test_a_file_of_the_package_in_the_place_of_an_upload_is_an_error(place: str, uploaded: Path) -> None:
    if place == "uploads":
        (uploaded / "uploads" / "process.cwl").unlink()
        (uploaded / "uploads").rmdir()
    (uploaded / place).touch()

    with pytest.raises(UsageError, match="the package has"):
        add_uploads(uploaded)
    assert (uploaded / place).is_file()
