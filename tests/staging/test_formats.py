"""Results in scientific formats: their place, time and arrays in the STAC catalog, compared with rasterio and PROJ."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import jsonschema
import pystac
import pytest
import referencing
import referencing.jsonschema
from bytecode import writing_bytecode
from staging_servers import start
from tiny_arrays import write_zarr

_ENVIRONMENT = Path(sys.prefix) / "formats"
_MAKE = Path(__file__).parents[1] / "helpers" / "formats" / "make.py"
_SCHEMAS = Path(__file__).with_name("schemas")
"""The published schemas of STAC's extensions; pystac has those of the core."""

pytestmark = [
    pytest.mark.group("formats"),
    pytest.mark.skipif(
        not _ENVIRONMENT.exists(), reason="scripts/test-formats installs the libraries that write files"
    ),
]


def deliver(folder: Path, results: Path) -> tuple[dict[str, dict[str, Any]], str]:
    """Deliver results with the packages that read them; return the Items by ID, and the log."""
    (site,) = _ENVIRONMENT.glob("lib/python3*/site-packages")
    variables = {"PYTHONPATH": f"{Path.cwd()}:{site}", "PYTHONDONTWRITEBYTECODE": ""}
    process = start(folder, "stage-out", results, folder / "delivered", "--stac", **variables)
    _, log = process.communicate(timeout=240)
    assert process.returncode == 0, log
    items = {path.stem: json.loads(path.read_text()) for path in folder.glob("delivered/*.stac/*.json")}
    return items, log


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Small files that rasterio, xarray and others wrote, and ``truth.json`` with their place."""
    folder = tmp_path_factory.mktemp("made")
    command = [_ENVIRONMENT / "bin" / "python", "-W", "ignore", _MAKE, folder]
    subprocess.run(command, check=True, capture_output=True, text=True, env=writing_bytecode())
    return folder


@pytest.fixture(scope="module")
def step_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("step")


@pytest.fixture(scope="module")
def delivered(made: Path, step_folder: Path) -> tuple[dict[str, dict[str, Any]], str]:
    return deliver(step_folder, made)


@pytest.fixture(scope="module")
def catalog(step_folder: Path) -> Path:
    return step_folder / "delivered" / "catalog.json"


@pytest.fixture(scope="module")
def items(delivered: tuple[dict[str, dict[str, Any]], str]) -> dict[str, dict[str, Any]]:
    return delivered[0]


@pytest.fixture(scope="module")
def truth(made: Path) -> dict[str, Any]:
    return dict(json.loads((made / "truth.json").read_text()))


def asset(item: Mapping[str, Any]) -> dict[str, Any]:
    return dict(next(iter(item["assets"].values())))


def covers(geometry: Mapping[str, Any], x: float, y: float) -> bool:
    """Whether a point is in a geometry, by counting the sides east of it."""
    rings = geometry["coordinates"] if geometry["type"] == "Polygon" else [one[0] for one in geometry["coordinates"]]
    inside = False
    for ring in rings:
        for (x0, y0), (x1, y1) in pairwise(ring):
            if (y0 > y) != (y1 > y) and x < x0 + (y - y0) / (y1 - y0) * (x1 - x0):
                inside = not inside
    return inside


def test_images_in_any_projection_are_where_gdal_finds_them(
    items: dict[str, dict[str, Any]], truth: dict[str, Any]
) -> None:
    assert len(truth["images"]) == 28
    for name, known in truth["images"].items():
        item = items[name.removesuffix(".tif")]
        fields = asset(item)
        if known["bounds"] and name != "date-line-degrees.tif":  # there GDAL counts beyond 180
            assert item["bbox"] == pytest.approx(known["bounds"], abs=2e-3), name
        missed = [point for point in known["inside"] if not covers(item["geometry"], *point)]
        assert missed == [], name
        assert fields["proj:shape"] == known["shape"], name
        assert fields["proj:transform"] == pytest.approx(known["transform"]), name
        if known["epsg"]:
            assert fields["proj:code"] == f"EPSG:{known['epsg']}", name
        else:
            assert fields["proj:code"] or fields["proj:wkt2"].startswith("PROJCRS"), name


@pytest.mark.parametrize(
    ("name", "bbox", "kind"),
    [
        ("date-line-degrees", [170, 5, -160, 10], "MultiPolygon"),
        ("date-line", [177.9058, 7.2231, -179.3628, 9.0454], "MultiPolygon"),
        ("crossing", [178, -0.5, -178, 2.5], "MultiPolygon"),
        ("swath", [175, 9.13, -174.35, 17.8], "MultiPolygon"),
        ("attributes", [179, 1, -178, 2], "MultiPolygon"),
        ("north-pole", [-180, 64.3118, 180, 90], "Polygon"),
        ("sea-ice", [-180, 30.9796, 180, 90], "Polygon"),
        ("world", [-180, -85.0511, 180, 85.0511], "Polygon"),
        ("world_20260101_20260131", [-180, -90, 180, 90], "Polygon"),
        ("station", [8.5, 47, 8.5, 47], "Point"),
        ("at-points", [9.75, 48.25, 11.75, 50.25], "Polygon"),
    ],
)
def test_the_antimeridian_and_the_poles(
    items: dict[str, dict[str, Any]], name: str, bbox: list[float], kind: str
) -> None:
    assert items[name]["bbox"] == pytest.approx(bbox, abs=2e-3)
    assert items[name]["geometry"]["type"] == kind


@pytest.mark.parametrize("name", ["cube", "classic", "classic-64", "data64", "netcdf4", "group", "two", "three"])
def test_a_cube_has_its_cells_and_times_in_every_format(items: dict[str, dict[str, Any]], name: str) -> None:
    item, fields = items[name], asset(items[name])

    assert item["bbox"] == [9.5, 45.75, 13.5, 50.25], "half a cell around the centers"
    times = [item["properties"][one] for one in ("datetime", "start_datetime", "end_datetime")]
    assert times == ["2026-02-03T00:00:00Z", "2026-02-03T00:00:00Z", "2026-02-03T12:00:00Z"]
    assert fields["cube:dimensions"] == {
        "time": {"type": "temporal", "extent": times[1:]},
        "lat": {"type": "spatial", "axis": "y", "extent": [46, 50]},
        "lon": {"type": "spatial", "axis": "x", "extent": [10, 13]},
    }
    (variable,) = fields["cube:variables"].items()
    expected = {
        "variable_type": "data",
        "dimensions": ["time", "lat", "lon"],
        "description": "air temperature",
        "unit": "K",
    }
    assert variable == ("t2m", expected)
    assert (fields["proj:shape"], fields["proj:transform"]) == ([9, 4], [1, 0, 9.5, 0, -0.5, 50.25])
    (band,) = fields["bands"]
    assert (band["name"], band["data_type"], band["unit"]) == ("t2m", "float32", "K")


def test_axes_of_projections_are_placed_by_their_grid_mapping(
    items: dict[str, dict[str, Any]], truth: dict[str, Any]
) -> None:
    for name, code in (("kilometers.nc", "EPSG:3035"), ("meters.zarr", "EPSG:32633")):
        item = items[name.partition(".")[0]]
        assert item["bbox"] == pytest.approx(truth["datasets"][name], abs=1e-4)
        assert asset(item)["proj:code"] == code
    assert asset(items["sea-ice"])["proj:code"] == "EPSG:3413"
    assert asset(items["rotated-pole"])["proj:wkt2"].startswith("GEOGCRS")
    assert items["rotated-pole"]["bbox"] == pytest.approx([9.1932, 45.5095, 26.8068, 55.75], abs=1e-3)


@pytest.mark.parametrize(
    ("name", "media_type"),
    [
        ("striped", "image/tiff; application=geotiff"),
        ("tiled", "image/tiff; application=geotiff"),
        ("cog", "image/tiff; application=geotiff; profile=cloud-optimized"),
        ("big-cog", "image/tiff; application=geotiff; profile=cloud-optimized"),
        ("plain", "image/tiff"),
        ("cube", "application/netcdf"),
        ("group", "application/x-hdf5"),
        ("two", "application/vnd.zarr; version=2"),
        ("three", "application/vnd.zarr; version=3"),
    ],
)
def test_media_types(items: dict[str, dict[str, Any]], name: str, media_type: str) -> None:
    assert asset(items[name])["type"] == media_type


@pytest.mark.parametrize(
    ("name", "start", "end"),
    [
        ("bands", "2026-02-03T04:05:06Z", None),
        ("S2_20260203T101031_T33", "2026-02-03T10:10:31Z", None),
        ("months", "2026-01-01T00:00:00Z", "2026-03-01T00:00:00Z"),
        ("attributes", "2026-02-03T00:00:00Z", "2026-02-03T00:05:00Z"),
        ("world_20260101_20260131", "2026-01-01T00:00:00Z", "2026-01-31T23:59:59Z"),
    ],
)
def test_times_come_from_the_file(items: dict[str, dict[str, Any]], name: str, start: str, end: str | None) -> None:
    properties = items[name]["properties"]

    assert (properties["datetime"], properties.get("end_datetime")) == (start, end)


def test_bands_of_an_image(items: dict[str, dict[str, Any]]) -> None:
    assert asset(items["bands"])["bands"] == [
        {"name": "b1", "data_type": "float32", "nodata": "nan", "description": "surface temperature", "unit": "K"},
        {"name": "b2", "data_type": "float32", "nodata": "nan"},
        {"name": "b3", "data_type": "float32", "nodata": "nan"},
    ]
    assert asset(items["S2_20260203T101031_T33"])["bands"] == [{"name": "b1", "data_type": "int16", "nodata": -9999}]


def test_a_file_without_a_clear_place_has_none_and_the_reason(
    delivered: tuple[dict[str, dict[str, Any]], str],
) -> None:
    items, log = delivered
    reasons = {
        "full-disk": "a part of the image is not on the Earth",
        "no-mapping": "its axes are those of a projection that no grid mapping describes",
        "zeros": "its outline on the Earth is ambiguous",
        "nowhere": "it has no coordinates that the CF Conventions or ACDD define",
    }
    for name, reason in reasons.items():
        assert (items[name]["geometry"], items[name].get("bbox")) == (None, None)
        assert asset(items[name])["description"] == f"geometry unknown: {reason}"
        assert reason in log


def test_a_zarr_folder_is_one_asset(items: dict[str, dict[str, Any]]) -> None:
    assert list(items["three"]["assets"]) == ["zarr"]
    assert items["three"]["assets"]["zarr"]["href"] == "../three.zarr"
    assert not any("chunk" in name or "t2m" in name for name in items)


def test_all_items_are_valid(items: dict[str, dict[str, Any]]) -> None:
    schemas = [json.loads(path.read_text()) for path in _SCHEMAS.iterdir()]
    known = {schema["$id"].rstrip("#"): schema for schema in schemas}
    stub = {
        f"https://proj.org/schemas/{version}/projjson.schema.json": {"type": "object"} for version in ("v0.4", "v0.7")
    }
    geojson = {"https://geojson.org/schema/Geometry.json": {"type": "object"}}
    registry: Any = referencing.Registry().with_resources(
        (url, referencing.jsonschema.DRAFT7.create_resource(schema))
        for url, schema in {**known, **stub, **geojson}.items()
    )
    checked = set()
    for item in items.values():
        pystac.Item.from_dict({**item, "stac_extensions": []}).validate()
        for url in item["stac_extensions"]:
            jsonschema.Draft7Validator(known[url], registry=registry).validate(item)
            checked.add(url)
    assert checked == set(known)


def test_stac_valid_accepts_the_catalog(
    delivered: tuple[dict[str, dict[str, Any]], str], catalog: Path, tmp_path: Path
) -> None:
    """The validator that stac-validator has become, with local copies of the schemas that it would fetch."""
    core = Path(pystac.__file__).parent / "validation" / "jsonschemas"
    specification = "https://schemas.stacspec.org/v1.1.0"
    schemas = {
        f"{specification}/{path.stem if path.stem == 'catalog' else 'item'}-spec/json-schema/{path.name}": path
        for path in core.glob("stac-spec/v1.1.0/*.json")
    }
    schemas |= {f"https://geojson.org/schema/{path.name}": path for path in core.glob("geojson/*.json")}
    for path in _SCHEMAS.iterdir():
        schemas[json.loads(path.read_text())["$id"].rstrip("#")] = path
    draft = "http://json-schema.org/draft-07/schema#"
    (tmp_path / "object.json").write_text(json.dumps({"$schema": draft, "type": "object"}))
    schemas |= {
        f"https://proj.org/schemas/{one}/projjson.schema.json": tmp_path / "object.json" for one in ("v0.4", "v0.7")
    }
    words = [str(word) for url, path in schemas.items() for word in ("--schema-map", url, path)]

    command = [_ENVIRONMENT / "bin" / "stac-valid", "validate", "--recursive", *words, catalog]
    done = subprocess.run(command, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout[-3000:]
    assert done.stdout.count('"valid_stac": true') == len(delivered[0]) + 1


def test_files_that_would_run_code_or_lead_elsewhere_have_no_place(tmp_path: Path) -> None:
    results, marker = tmp_path / "results", tmp_path / "marker"
    pickled = write_zarr(results / "pickled.zarr", filters=[{"id": "pickle", "protocol": 5}])
    (pickled / "lat" / "0").write_bytes(pickle.dumps(_Touch(str(marker))))
    linked = write_zarr(results / "linked.zarr")
    (results / "other").write_bytes((linked / "lat" / "0").read_bytes())
    (linked / "lat" / "0").unlink()
    (linked / "lat" / "0").symlink_to(results / "other")
    write_zarr(results / "fine.zarr")

    items, _ = deliver(tmp_path, results)

    assert not marker.exists()
    assert {name: item.get("bbox") for name, item in items.items()} == {
        "fine": [9, 46, 12, 48],
        "linked": None,
        "pickled": None,
        "other": None,
    }


def test_billions_of_records_without_a_value_are_not_looked_for(tmp_path: Path) -> None:
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "empty.nc").write_bytes(_netcdf_without_values(records=4_000_000_000))

    items, log = deliver(tmp_path, tmp_path / "results")

    assert items["empty"].get("bbox") is None
    assert "took too long" not in log


def _netcdf_without_values(*, records: int) -> bytes:
    """Return a file of the classic format with a longitude and latitude for each pixel of images without columns."""

    def text(value: str) -> bytes:
        return len(value).to_bytes(4, "big") + value.encode() + bytes(-len(value) % 4)

    def number(*values: int) -> bytes:
        return b"".join(value.to_bytes(4, "big") for value in values)

    def variable(name: str, units: str) -> bytes:
        attributes = number(12, 1) + text("units") + number(2) + text(units)
        return text(name) + number(2, 0, 1) + attributes + number(5, 8, 200)

    dimensions = number(10, 2) + text("row") + number(0) + text("column") + number(0)
    variables = variable("lat", "degrees_north") + variable("lon", "degrees_east")
    return b"CDF\x01" + number(records) + dimensions + number(0, 0) + number(11, 2) + variables


class _Touch:
    def __init__(self, path: str) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return open, (self.path, "w")
