"""The check of a table before a pipeline starts, in a process with limits."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from support import cases

from generator.service.archives import Archive
from generator.service.tables.check import CheckLimits, TableRequest, find_mistakes

_PLACE = "packages/ada/trees/main"


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Archive:
    """The artifacts of a job with a package."""
    top = tmp_path_factory.mktemp("artifacts")
    package = top / "content" / _PLACE
    shutil.copytree(cases / "packages" / "earth-types" / "expected", package)
    (package / "example").mkdir(exist_ok=True)
    (package / "example" / "0_aoi.geojson").write_text("{}")
    return Archive(Path(shutil.make_archive(str(top / "artifacts"), "zip", top / "content")))


@pytest.mark.parametrize(
    ("table", "mistakes"),
    [
        ("n,file\n1,example/0_aoi.geojson\n", []),
        ("n\n1\n11\n0\nx\n", [f"row {row}: n is {text!r}, but" for row, text in ((2, "11"), (3, "0"), (4, "x"))]),
        ("n,size\n1,2\n", ["column 'size' is not an input", "inputs: "]),
        ("", ["t.csv: has no rows"]),
        ("n\n\xe4", ["row 1: n is 'ä'"]),
        ("n\n1,2\n", ["t.csv line 2: 2 cells for 1 columns; put cells with a comma in quotes"]),
    ],
    ids=["fits", "values", "columns", "empty", "umlaut", "cells"],
)  # fmt: skip
def test_every_mistake_of_a_table_is_found(table: str, mistakes: list[str], archive: Archive, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(table, encoding="utf-8")

    found, more = find_mistakes(TableRequest(table="t.csv"), archive, _PLACE, tmp_path)

    assert more == 0
    assert len(found) == len(mistakes)
    for line, expected in zip(found, mistakes, strict=True):
        assert line.startswith(expected)


def test_a_product_and_the_values_of_all_rows_are_checked(archive: Archive, tmp_path: Path) -> None:
    fits = TableRequest(product=["n=1..10"], values=["speed=2"])
    wrong = TableRequest(product=["n=1..11"], values=["speed=-1"])

    assert find_mistakes(fits, archive, _PLACE, tmp_path) == ([], 0)
    assert find_mistakes(wrong, archive, _PLACE, tmp_path)[0][0].startswith("speed is '-1'")


def test_many_mistakes_are_counted(archive: Archive, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("n\n" + "99\n" * 1000)

    found, more = find_mistakes(TableRequest(table="t.csv"), archive, _PLACE, tmp_path)

    assert (len(found), more) == (200, 800)


@pytest.mark.parametrize(
    ("file", "local"), [("/etc/hostname", False), ("/no/such/file", False), ("/etc/hostname", True)]
)
def test_a_shared_service_takes_no_files_of_its_machine(
    file: str, local: bool, archive: Archive, tmp_path: Path
) -> None:
    (tmp_path / "t.csv").write_text(f"file\n{file}\n")

    found, _ = find_mistakes(TableRequest(table="t.csv", local=local), archive, _PLACE, tmp_path)

    assert (found == []) is local
    assert all("local files are not allowed here" in line for line in found)


@pytest.mark.parametrize("limits", [CheckLimits(memory=96 << 20), CheckLimits(cpu=1)], ids=["memory", "time"])
def test_a_table_that_takes_too_much_is_refused(limits: CheckLimits, archive: Archive, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("n\n" + "1\n" * 900_000)  # which takes a minute to check

    found, _ = find_mistakes(TableRequest(table="t.csv"), archive, _PLACE, tmp_path, limits)

    assert len(found) == 1
    assert "use query.py map, or split it" in found[0]
