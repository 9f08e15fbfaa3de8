"""Footprints at the antimeridian and the poles, and the process that reads files."""

from __future__ import annotations

import math
import time
from pathlib import Path

import pytest
from tiny_arrays import write_geotiff, write_zarr

from generator.staging.stac import reading
from generator.staging.stac.footprints import (
    footprint_from_box,
    footprint_from_outline,
    footprint_from_points,
    footprint_of_all,
)
from generator.staging.stac.formats.times import times_in_name, times_of_attributes


@pytest.mark.parametrize(
    ("box", "bbox", "kind"),
    [
        ((10, 46, 12, 48), (10, 46, 12, 48), "Polygon"),
        ((0, -90, 360, 90), (-180, -90, 180, 90), "Polygon"),
        ((-0.125, -90, 359.875, 90), (-180, -90, 180, 90), "Polygon"),
        ((190, 1, 200, 2), (-170, 1, -160, 2), "Polygon"),
        ((170, -10, 190, 10), (170, -10, -170, 10), "MultiPolygon"),
        ((-190, -10, -170, 10), (170, -10, -170, 10), "MultiPolygon"),
        ((90, 0, 180, 1), (90, 0, 180, 1), "Polygon"),
        ((180, 0, 190, 1), (-180, 0, -170, 1), "Polygon"),
    ],
)
def test_longitudes_may_count_from_any_meridian(box: tuple[float, ...], bbox: tuple[float, ...], kind: str) -> None:
    found = footprint_from_box(*box)

    assert found is not None
    assert (found.bbox, found.geometry["type"]) == (bbox, kind)


@pytest.mark.parametrize(
    "box", [(0, 0, 400, 1), (0, 0, 1, 91), (500000, 1, 500001, 2), (0, 0, math.nan, 1), (2, 0, 1, 1)]
)
def test_a_box_outside_of_the_earth_is_none(box: tuple[float, ...]) -> None:
    assert footprint_from_box(*box) is None


def test_points_get_the_smaller_of_the_boxes_around_the_earth() -> None:
    found = footprint_from_points([(179, 1), (-179, 2), (-178, 0)])

    assert found is not None
    assert found.bbox == (179, 0, -178, 2)


def test_an_item_with_files_of_several_places_has_a_box_around_them() -> None:
    boxes = [(0, 0, 1, 1), (0, 0, 1, 1), (4, 2, 5, 3), (179, 0, 181, 1)]
    places = [found for box in boxes if (found := footprint_from_box(*box))]

    assert footprint_of_all(places[:2]) == places[0]
    for number, bbox in ((3, (0, 0, 5, 3)), (4, (-180, 0, 180, 3))):
        found = footprint_of_all(places[:number])
        assert found is not None
        assert found.bbox == bbox


@pytest.mark.parametrize("turn", [1, -1])
def test_an_outline_around_the_pole_becomes_everything_north_of_it(turn: int) -> None:
    circle = [((turn * step * 10 + 540 + 3) % 360 - 180, 70.0 + step % 2) for step in range(37)]

    found = footprint_from_outline([circle], [90])

    assert found is not None
    assert found.bbox == (-180, 70, 180, 90)
    (ring,) = found.geometry["coordinates"]
    assert [-180, 90] in ring
    assert [180, 90] in ring
    assert footprint_from_outline([circle], []) is None, "which pole it is around is unknown"


@pytest.mark.parametrize(
    ("name", "times"),
    [
        ("S2_20260203T040506_T33.tif", ("2026-02-03T04:05:06Z", "2026-02-03T04:05:06Z")),
        ("a_2026-02-03.nc", ("2026-02-03T00:00:00Z", "2026-02-03T23:59:59Z")),
        ("a_20260101-20260131.nc", ("2026-01-01T00:00:00Z", "2026-01-31T23:59:59Z")),
        ("a_20260131_20260101.nc", ("", "")),
        ("a_20260101_20260102_20260103.nc", ("", "")),
        ("a_20260230.nc", ("", "")),
        ("tile_12345678.tif", ("", "")),
        ("dem.tif", ("", "")),
    ],
)
def test_names_state_a_time(name: str, times: tuple[str, str]) -> None:
    assert times_in_name(name) == times


@pytest.mark.parametrize(
    ("start", "end", "times"),
    [
        ("2026-02-03", "2026-02-03 06:30", ("2026-02-03T00:00:00Z", "2026-02-03T06:30:00Z")),
        ("2026-02-03T00:00:00.123+0100", None, ("2026-02-02T23:00:00Z", "2026-02-02T23:00:00Z")),
        ("2026-02-03T00:00:00Z", "2026-02-01T00:00:00Z", ("", "")),
        ("yesterday", None, ("", "")),
        (7, None, ("", "")),
    ],
)
def test_attributes_state_a_time(start: object, end: object, times: tuple[str, str]) -> None:
    assert times_of_attributes({"time_coverage_start": start, "time_coverage_end": end}) == times


class TestTheReader:
    """Files come from the repository's code, so a process of its own reads them."""

    def test_a_file_that_ends_its_reader_gets_a_remark_and_the_next_file_is_read(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(reading, "_PROGRAM", _ends_at("bad.tif") + reading._PROGRAM)
        good = write_geotiff(tmp_path / "good.tif", {1024: 2, 2048: 4326}, tie=(10, 50), scale=1, size=2)

        bad, fine = reading.describe_files([tmp_path / "bad.tif", good])

        assert bad is not None
        assert (bad.footprint, bad.remark) == (None, "its reader ended, or took too long")
        assert fine is not None
        assert fine.footprint is not None

    def test_a_file_that_takes_too_long_gets_a_remark(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(reading, "_PROGRAM", "import time; time.sleep(60) # {path}")
        monkeypatch.setattr(reading, "_TIMEOUT", 0.1)
        before = time.monotonic()

        (found,) = reading.describe_files([tmp_path / "a.tif"])

        assert found is not None
        assert found.remark
        assert time.monotonic() - before < 30

    def test_files_that_take_too_long_together_get_a_remark_and_are_not_read(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(reading, "_PROGRAM", "import time; time.sleep(60) # {path}")
        monkeypatch.setattr(reading, "_TOTAL", 0.2)
        before = time.monotonic()

        found = reading.describe_files([tmp_path / f"{number}.tif" for number in range(100)])

        assert {one.remark for one in found[1:] if one} == {
            "not read, because reading all files took longer than 0 seconds"
        }
        assert time.monotonic() - before < 30

    def test_it_has_no_secret_of_the_step(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "pa55word")
        seen = tmp_path / "seen"
        program = f"import os, pathlib; pathlib.Path({str(seen)!r}).write_text(str(os.environ)) # {{path}}"
        monkeypatch.setattr(reading, "_PROGRAM", program)

        reading.describe_files([tmp_path / "a.tif"])

        assert "PROJ_NETWORK" in seen.read_text()
        assert "pa55word" not in seen.read_text()

    def test_it_writes_no_file(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        marker = tmp_path / "marker"
        write = f"open({str(marker)!r}, 'w').write('written')"
        limited = "import serve; from generator.staging.stac.formats.program import _limit; _limit()"
        monkeypatch.setattr(
            reading, "_PROGRAM", reading._PROGRAM.replace("import serve; serve()", f"{limited}; {write}")
        )

        reading.describe_files([tmp_path / "a.tif"])

        assert not marker.exists() or not marker.read_bytes()

    def test_without_the_packages_a_format_has_a_remark_and_no_place(self, tmp_path: Path) -> None:
        write_zarr(tmp_path / "cube.zarr")
        (tmp_path / "a.nc").write_bytes(b"CDF\x01" + bytes(60))
        lambert = write_geotiff(tmp_path / "a.tif", {1024: 1, 3072: 2154}, tie=(0, 0), scale=10, size=2)

        found = reading.describe_files([tmp_path / "cube.zarr", tmp_path / "a.nc", lambert])

        assert [(one.footprint, bool(one.remark)) for one in found if one] == [(None, True)] * 3
        assert found[0] is not None
        assert "packmill[formats]" in found[0].remark


def _ends_at(name: str) -> str:
    return (
        "import json, os\n"
        "loads = json.loads\n"
        f"json.loads = lambda text: os._exit(11) if {name!r} in text else loads(text)\n"
    )
