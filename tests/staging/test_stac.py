"""STAC: assets of Items, Collections and Catalogs staged in, and catalogs of results."""

from __future__ import annotations

import hashlib
import json
import math
import os
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pystac
import pytest
from staging_servers import S3, HttpServer, Runner, json_page
from tiny_arrays import write_geotiff

from generator.staging.stac.footprints import Footprint
from generator.staging.stac.formats.program import describe


def item(name: str, assets: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "type": "Feature",
        "stac_version": "1.0.0",
        "id": name,
        "geometry": {"type": "Point", "coordinates": [1, 2]},
        "bbox": [1, 2, 1, 2],
        "properties": {"datetime": "2026-02-03T04:05:06Z", "eo:cloud_cover": 7},
        "links": [],
        "assets": assets,
        **more,
    }


def catalog(name: str, *links: tuple[str, str], kind: str = "Catalog") -> dict[str, Any]:
    more = {
        "license": "CC-BY-4.0",
        "extent": {"spatial": {"bbox": [[-180, -90, 180, 90]]}, "temporal": {"interval": [[None, None]]}},
    }
    return {
        "type": kind,
        "stac_version": "1.0.0",
        "id": name,
        "description": name,
        "links": [{"rel": relation, "href": href} for relation, href in links],
        **(more if kind == "Collection" else {}),
    }


@pytest.fixture
def scene(web: HttpServer) -> str:
    """An Item with three assets next to it."""
    for name in ("red.tif", "nir.tif", "thumb.png"):
        web.put(f"/s/{name}", name.encode())
    assets = {
        "red": {"href": "./red.tif", "roles": ["data"], "type": "image/tiff"},
        "nir": {"href": web.url + "/s/nir.tif", "roles": ["data", "reflectance"]},
        "thumbnail": {"href": "thumb.png", "roles": ["thumbnail"]},
    }
    return web.put("/s/scene.json", json_page(item("scene", assets)))


def staged_catalog(folder: Path) -> list[pystac.Item]:
    return list(pystac.Catalog.from_file(str(folder / "staged" / "catalog.json")).get_items(recursive=True))


class TestStagedIn:
    def test_an_item_becomes_a_folder_with_a_catalog_of_its_own(self, scene: str, step: Runner, tmp_path: Path) -> None:
        result = step("stage-in", {"input_path": {"stac_url": scene}, "as_type": "Directory", "name": "scene"})

        assert result.code == 0, result.err
        (found,) = staged_catalog(tmp_path)
        assert found.properties["eo:cloud_cover"] == 7
        contents = {key: Path(str(asset.get_absolute_href())).read_text() for key, asset in found.assets.items()}
        assert contents == {"red": "red.tif", "nir": "nir.tif", "thumbnail": "thumb.png"}
        assert (tmp_path / "staged" / "scene" / "red.tif").exists()
        found.validate()

    @pytest.mark.parametrize("folder", ["run#1", "run?1/x", "run;1"])
    def test_a_folder_with_characters_that_end_the_path_of_an_address(
        self, scene: str, runner: Runner, tmp_path: Path, folder: str
    ) -> None:
        (tmp_path / "run").write_text("own")

        result = runner("stage-in", scene, "--stac", "--directory", "--output", folder)

        assert result.code == 0, result.err
        assert (tmp_path / "run").read_text() == "own"
        (tmp_path / folder).rename(tmp_path / "staged")  # pystac cannot read the other one
        (found,) = staged_catalog(tmp_path)
        assert {Path(str(one.get_absolute_href())).parent for one in found.assets.values()} == {
            tmp_path / "staged/scene"
        }
        assert (tmp_path / "staged/scene/scene.json").exists()

    @pytest.mark.parametrize("link", [False, True])
    def test_a_catalog_of_somebody_else_is_not_replaced(
        self, scene: str, runner: Runner, tmp_path: Path, *, link: bool
    ) -> None:
        (tmp_path / "staged").mkdir()
        catalog = tmp_path / "own.json" if link else tmp_path / "staged" / "catalog.json"
        catalog.write_text('{"type": "Catalog", "description": "own"}')
        if link:
            (tmp_path / "staged" / "catalog.json").symlink_to("../own.json")

        result = runner("stage-in", scene, "--stac", "--directory")

        assert (result.code, "catalog.json: not of a stage-in" in result.err) == (2, True)
        assert catalog.read_text() == '{"type": "Catalog", "description": "own"}'

    def test_a_catalog_of_an_earlier_stage_in_is_replaced(self, scene: str, runner: Runner, tmp_path: Path) -> None:
        for roles in ("thumbnail", "reflectance"):
            result = runner("stage-in", scene, "--stac", "--directory", "--role", roles)
            assert result.code == 0, result.err

        (found,) = staged_catalog(tmp_path)
        assert set(found.assets) == {"nir"}

    def test_an_item_is_not_written_through_a_link(self, scene: str, runner: Runner, tmp_path: Path) -> None:
        (tmp_path / "staged/scene").mkdir(parents=True)
        (tmp_path / "own.json").write_text("own")
        (tmp_path / "staged/scene/scene.json").symlink_to("../../own.json")

        result = runner("stage-in", scene, "--stac", "--directory")

        assert result.code == 0, result.err
        assert (tmp_path / "own.json").read_text() == "own"
        assert [one.id for one in staged_catalog(tmp_path)] == ["scene"]

    @pytest.mark.parametrize(
        ("wanted", "keys"),
        [
            ({"assets": ["red"]}, {"red"}),
            ({"roles": ["data"]}, {"red", "nir"}),
            ({"assets": ["thumbnail"], "roles": ["reflectance"]}, {"thumbnail", "nir"}),
        ],
    )
    def test_keys_and_roles_choose(
        self, scene: str, step: Runner, tmp_path: Path, wanted: dict[str, Any], keys: set[str]
    ) -> None:
        assert step("stage-in", {"input_path": {"stac_url": scene, **wanted}, "as_type": "Directory"}).code == 0

        (found,) = staged_catalog(tmp_path)
        assert set(found.assets) == keys

    def test_nothing_chosen_is_a_failure(self, scene: str, step: Runner) -> None:
        result = step("stage-in", {"input_path": {"stac_url": scene, "assets": ["swir"]}})

        assert (result.code, "no asset of its 1 Items has the keys ['swir']" in result.err) == (12, True)

    def test_a_plain_url_of_stac_is_known_where_a_folder_is_wanted(
        self, scene: str, step: Runner, tmp_path: Path
    ) -> None:
        assert step("stage-in", {"input_path": scene, "as_type": "Directory"}).code == 0
        assert len(staged_catalog(tmp_path)) == 1

    def test_assets_may_be_files_too(self, scene: str, step: Runner) -> None:
        result = step("stage-in", {"input_path": {"stac_url": scene, "roles": ["data"]}})

        assert result.names == ["0_red.tif", "1_nir.tif"]

    def test_static_catalogs_and_collections_are_walked(
        self, web: HttpServer, scene: str, step: Runner, tmp_path: Path
    ) -> None:
        web.put("/c/two.json", json_page(item("scene", {"a": {"href": "../s/red.tif"}})))
        web.put(
            "/c/collection.json",
            json_page(catalog("c", ("item", "two.json"), ("root", "../top.json"), kind="Collection")),
        )
        url = web.put(
            "/top.json",
            json_page(catalog("top", ("child", "./c/collection.json"), ("item", scene), ("self", "/top.json"))),
        )

        result = step("stage-in", {"input_path": {"stac_url": url}, "as_type": "Directory"})

        assert result.code == 0, result.err
        found = staged_catalog(tmp_path)
        assert [len(one.assets) for one in found] == [3, 1]
        paths = [str(asset.get_absolute_href()) for one in found for asset in one.assets.values()]
        assert len(set(paths)) == 4, "two Items of one id have a folder each"
        assert all(Path(path).exists() for path in paths)

    @pytest.mark.parametrize("address", ["catalog.json", "./catalog.json", "../{}/catalog.json", "{}"])
    def test_references_of_a_local_catalog_are_below_its_folder(
        self, runner: Runner, tmp_path: Path, address: str
    ) -> None:
        (tmp_path / "it").mkdir()
        (tmp_path / "catalog.json").write_text(json.dumps(catalog("c", ("item", "./it/it.json"))))
        (tmp_path / "it/it.json").write_text(json.dumps(item("it", {"b": {"href": "b.tif"}})))
        (tmp_path / "it/b.tif").write_text("b")
        given = str(tmp_path / "catalog.json") if address == "{}" else address.format(tmp_path.name)

        result = runner("stage-in", given, "--stac")

        assert (result.code, result.names) == (0, ["0_b.tif"]), result.err

    def test_an_api_is_followed_page_by_page(self, web: HttpServer, step: Runner) -> None:
        for number in (1, 2, 3):
            web.put(f"/d{number}.tif", b"x")

        def page(number: int, *links: dict[str, str]) -> bytes:
            one = item(f"i{number}", {"a": {"href": f"{web.url}/d{number}.tif"}})
            return json_page({"type": "FeatureCollection", "features": [one], "links": links})

        web.put("/items", page(1, {"rel": "next", "href": "/items2"}))
        web.put("/items2", page(2))
        url = web.put("/collections/c", json_page(catalog("c", ("items", "/items"), kind="Collection")))

        assert step("stage-in", {"input_path": {"stac_url": url}}).names == ["0_d1.tif", "1_d2.tif"]

    def test_loops_end(self, web: HttpServer, step: Runner) -> None:
        web.put("/b.json", json_page(catalog("b", ("child", "/a.json"))))
        url = web.put("/a.json", json_page(catalog("a", ("child", "/b.json"), ("child", "/a.json"))))

        result = step("stage-in", {"input_path": {"stac_url": url}})

        assert (result.code, "no STAC Items found" in result.err) == (12, True)

    @pytest.mark.parametrize("field", ["file:checksum", "checksum:multihash"])
    def test_checksums_of_assets_are_verified(self, web: HttpServer, step: Runner, field: str) -> None:
        web.put("/a.tif", b"a")
        right = "1220" + hashlib.sha256(b"a").hexdigest()
        good = web.put("/good.json", json_page(item("i", {"a": {"href": "a.tif", field: right}})))
        bad = web.put("/bad.json", json_page(item("i", {"a": {"href": "a.tif", field: right[:-1] + "0"}})))

        assert step("stage-in", {"input_path": {"stac_url": good}}).code == 0
        result = step("stage-in", {"input_path": {"stac_url": bad}})
        assert (result.code, "its sha256 is" in result.err) == (12, True)

    def test_a_wrong_size_is_refused(self, web: HttpServer, step: Runner) -> None:
        web.put("/a.tif", b"a")
        url = web.put("/i.json", json_page(item("i", {"a": {"href": "a.tif", "file:size": 2}})))

        assert "1 bytes received, expected 2" in step("stage-in", {"input_path": {"stac_url": url}}).err

    def test_an_item_in_a_bucket(self, s3: S3, step: Runner) -> None:
        (s3.folder / "data" / "stac").mkdir(exist_ok=True)
        (s3.folder / "data" / "stac" / "red.tif").write_bytes(b"red")
        (s3.folder / "data" / "stac" / "i.json").write_text(json.dumps(item("i", {"a": {"href": "./red.tif"}})))
        keys = {name: s3.record[name] for name in ("aws_access_key_id", "aws_secret_access_key")}

        result = step(
            "stage-in",
            {"input_path": {"stac_url": "s3://data/stac/i.json"}, "credentials": json.dumps(keys)},
            AWS_ENDPOINT_URL_S3=s3.url,
        )

        assert result.code == 0, result.err
        assert result.content("0_red.tif") == b"red"

    @pytest.mark.parametrize(
        ("document", "said"),
        [
            ({"type": "FeatureCollection", "features": [{"type": "Feature"}]}, "not a STAC Item"),
            ([1], "not a STAC Item, Collection or Catalog"),
            ({"type": "Topology"}, "not a STAC Item, Collection or Catalog"),
            (item("../../evil", {"../../x": {"href": "../../../../etc/hosts"}}), "404"),
        ],
    )
    def test_hostile_documents(self, web: HttpServer, step: Runner, tmp_path: Path, document: Any, said: str) -> None:
        url = web.put("/i.json", json_page(document))

        result = step("stage-in", {"input_path": {"stac_url": url}, "as_type": "Directory"})

        assert (result.code, said in result.err) == (12, True), result.err
        assert "Traceback" not in result.err

    def test_an_items_id_is_no_way_out(self, web: HttpServer, step: Runner, tmp_path: Path) -> None:
        web.put("/a.tif", b"a")
        url = web.put("/i.json", json_page(item("../../evil", {"../../x": {"href": "a.tif"}})))

        assert step("stage-in", {"input_path": {"stac_url": url}, "as_type": "Directory"}).code == 0

        assert (tmp_path / "staged" / "evil" / "a.tif").exists()
        assert {path.name for path in tmp_path.iterdir()} == {"staged", "stage_in.json", "cwl.output.json"}

    def test_an_asset_may_not_be_a_file_of_this_machine(self, web: HttpServer, step: Runner) -> None:
        url = web.put("/i.json", json_page(item("i", {"a": {"href": "file:///etc/passwd"}})))

        result = step("stage-in", {"input_path": {"stac_url": url}})

        assert (result.code, "/etc/passwd" in result.err) == (12, True)


def meridian(latitude: float) -> float:
    """Metres from the equator on WGS 84, by adding up small arcs."""
    a, e2, steps = 6378137.0, 0.0066943799901413165, 20_000
    arc = math.radians(latitude) / steps
    middles = ((number + 0.5) * arc for number in range(steps))
    return sum(a * (1 - e2) / (1 - e2 * math.sin(one) ** 2) ** 1.5 for one in middles) * arc


def read_footprint(path: Path) -> Footprint | None:
    found = describe(path)
    return found.footprint if found else None


class TestFootprints:
    @pytest.mark.parametrize("order", ["<", ">"])
    def test_an_image_in_degrees(self, tmp_path: Path, order: str) -> None:
        found = read_footprint(
            write_geotiff(tmp_path / "a.tif", {1024: 2, 2048: 4326}, tie=(10, 50), scale=0.5, size=4, order=order)
        )

        assert found is not None
        assert found.bbox == (10, 48, 12, 50)

    @pytest.mark.parametrize(("epsg", "north"), [(32633, 5_800_000), (32733, 8_000_000)])
    def test_utm_along_its_meridian_is_the_length_of_the_meridian(self, tmp_path: Path, epsg: int, north: int) -> None:
        path = write_geotiff(tmp_path / "a.tif", {1024: 1, 3072: epsg}, tie=(500_000, north), scale=1, size=1)

        found = read_footprint(path)

        assert found is not None
        west, _, _, latitude = found.bbox
        assert west == pytest.approx(15, abs=1e-9)
        expected = north - 10_000_000 if epsg == 32733 else north
        assert 0.9996 * meridian(latitude) == pytest.approx(expected, abs=0.01)

    def test_utm_beside_its_meridian(self, tmp_path: Path) -> None:
        """The CN Tower: 43°38'33.24"N 79°23'13.7"W is 17T 630084 4833438 (Wikipedia, Universal Transverse Mercator)."""
        tie = (630_084, 4_833_438)

        found = read_footprint(write_geotiff(tmp_path / "a.tif", {1024: 1, 3072: 32617}, tie=tie, scale=1, size=1))

        assert found is not None
        west, _, _, north = found.bbox
        assert (west, north) == pytest.approx((-79.387139, 43.642567), abs=1e-5)

    def test_web_mercator(self, tmp_path: Path) -> None:
        half = 20037508.342789244
        path = write_geotiff(tmp_path / "a.tif", {1024: 1, 3072: 3857}, tie=(-half, half), scale=half, size=2)

        found = read_footprint(path)

        assert found is not None
        assert found.bbox == pytest.approx((-180, -85.05112878, 180, 85.05112878))

    def test_an_unknown_projection_is_no_footprint(self, tmp_path: Path) -> None:
        assert (
            read_footprint(write_geotiff(tmp_path / "a.tif", {1024: 1, 3072: 2154}, tie=(0, 0), scale=10, size=2))
            is None
        )

    @pytest.mark.parametrize(
        "content", [b"", b"II", b"II*\0\xff\xff\xff\xff", b"II*\0\x08\0\0\0\xff\xff" + b"\xff" * 64]
    )
    def test_a_broken_image_is_no_footprint(self, tmp_path: Path, content: bytes) -> None:
        (tmp_path / "a.tif").write_bytes(content)

        assert read_footprint(tmp_path / "a.tif") is None

    @pytest.mark.parametrize(
        ("document", "bbox"),
        [
            ({"type": "Point", "coordinates": [11.5, 0.25]}, (11.5, 0.25, 11.5, 0.25)),
            (
                {
                    "type": "FeatureCollection",
                    "features": [
                        {"type": "Feature", "properties": {}, "geometry": {"type": "Point", "coordinates": [1, 2]}},
                        {
                            "type": "Feature",
                            "properties": {},
                            "geometry": {"type": "LineString", "coordinates": [[3, 4], [5, 0]]},
                        },
                        {"type": "Feature", "properties": {}, "geometry": None},
                    ],
                },
                (1, 0, 5, 4),
            ),
            ({"type": "Point", "coordinates": [500000, 4000000]}, None),
            ({"type": "Point", "coordinates": [1, 2], "crs": {"properties": {"name": "EPSG:2154"}}}, None),
            ({"type": "FeatureCollection", "features": []}, None),
            ({"type": "something"}, None),
            ({}, None),
            ([1, 2], None),
        ],
    )
    def test_geojson(self, tmp_path: Path, document: Any, bbox: tuple[float, ...] | None) -> None:
        (tmp_path / "a.geojson").write_text(json.dumps(document))

        found = read_footprint(tmp_path / "a.geojson")

        assert (found.bbox if found else None) == bbox

    def test_a_geopackage(self, tmp_path: Path) -> None:
        with closing(sqlite3.connect(tmp_path / "a.gpkg")) as database:
            database.execute("create table gpkg_contents (table_name, srs_id, min_x, min_y, max_x, max_y)")
            database.execute("insert into gpkg_contents values ('a', 4326, 1, 2, 3, 4), ('b', 3857, 0, 0, 9, 9)")
            database.commit()

        found = read_footprint(tmp_path / "a.gpkg")

        assert found is not None
        assert found.bbox == (1, 2, 3, 4)


class TestStagedOut:
    def test_a_catalog_of_results(self, step: Runner, tmp_path: Path) -> None:
        results = tmp_path / "output"
        (results / "maps").mkdir(parents=True)
        write_geotiff(results / "maps" / "dem.tif", {1024: 2, 2048: 4326}, tie=(10, 50), scale=0.5, size=4)
        (results / "maps" / "dem.png").write_bytes(b"png")
        (results / "notes.txt").write_text("notes")
        (results / "process.ipynb").write_text("{}")
        ended = "2026-02-03T04:05:06+00:00"
        (results / "result.json").write_text(json.dumps({"ended": ended, "notebook": "process.ipynb"}))
        folder = {"class": "Directory", "path": str(results)}

        given = {
            "output_path": {"directory": "stac"},
            "output_dir": folder,
            "include": ["maps", "*.txt"],
            "name": "run",
        }
        result = step("stage-out", given)

        assert result.code == 0, result.err
        found = pystac.Catalog.from_file(str(tmp_path / "stac" / "catalog.json"))
        items = {one.id: one for one in found.get_items()}
        assert set(items) == {"maps-dem", "notes", "process"}
        for one in items.values():
            # the core alone: extensions' schemas are fetched from the network
            pystac.Item.from_dict({**one.to_dict(), "stac_extensions": []}).validate()
            assert one.datetime is not None
            assert one.datetime.isoformat() == ended
        dem = items["maps-dem"]
        assert dem.bbox == [10, 48, 12, 50]
        assert {key: (asset.media_type, asset.roles) for key, asset in dem.assets.items()} == {
            "tif": ("image/tiff; application=geotiff", ["data"]),
            "png": ("image/png", ["overview"]),
        }
        assert (items["notes"].geometry, items["notes"].bbox) == (None, None)
        assert items["process"].assets["ipynb"].roles == ["metadata"]
        notes = items["notes"].assets["txt"]
        assert notes.extra_fields["file:size"] == 5
        assert notes.extra_fields["file:checksum"] == "1220" + hashlib.sha256(b"notes").hexdigest()
        assert Path(str(notes.get_absolute_href())).read_text() == "notes"
        assert not list(results.rglob("*.json")) or {path.name for path in results.rglob("*.json")} == {"result.json"}

    @pytest.mark.parametrize("more", [{"include": ["*.txt"]}, {"stac_catalog": True}], ids=["include", "catalog"])
    def test_a_record_that_is_too_large_is_not_read(
        self, step: Runner, tmp_path: Path, more: dict[str, object]
    ) -> None:
        (tmp_path / "output").mkdir()
        (tmp_path / "output" / "notes.txt").write_text("notes")
        with (tmp_path / "output" / "result.json").open("wb") as file:
            file.truncate((256 << 20) + 1)
        folder = {"class": "Directory", "path": str(tmp_path / "output")}

        result = step("stage-out", {"output_path": {"path": "out"}, "output_dir": folder, **more})

        assert result.code == 12, result.err
        assert "result.json: more than 256 MiB, too large for the record of a run" in result.err
        assert not (tmp_path / "out" / "notes.txt").exists()

    def test_a_pipe_in_place_of_the_record_is_not_waited_for(self, step: Runner, tmp_path: Path) -> None:
        (tmp_path / "output").mkdir()
        (tmp_path / "output" / "notes.txt").write_text("notes")
        os.mkfifo(tmp_path / "output" / "result.json")
        folder = {"class": "Directory", "path": str(tmp_path / "output")}

        result = step("stage-out", {"output_path": {"path": "out"}, "output_dir": folder, "include": ["*.txt"]})

        assert result.code == 0, result.err
        assert (tmp_path / "out" / "notes.txt").exists()

    def test_a_result_with_the_path_of_an_item_is_not_overwritten(self, step: Runner, tmp_path: Path) -> None:
        results = {"a.txt": "text", "a.stac/a.json": "mine", "b.txt": "text", "b.stac": "mine"}
        for name, text in results.items():
            path = tmp_path / "output" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        folder = {"class": "Directory", "path": str(tmp_path / "output")}

        result = step("stage-out", {"output_path": {"directory": "stac"}, "output_dir": folder})

        assert result.code == 0, result.err
        for top in ("output", "stac"):
            assert {name: (tmp_path / top / name).read_text() for name in results} == results
        found = pystac.Catalog.from_file(str(tmp_path / "stac" / "catalog.json"))
        assert {one.id for one in found.get_items()} == {"a-2", "a.stac-a", "b-2"}

    def test_names_with_characters_that_end_the_path_of_an_address(self, step: Runner, tmp_path: Path) -> None:
        names = {"a#b.csv", "a#c.csv", "d?e.csv", "f;g.csv", "50%#.csv", "50%.csv", "a b.csv"}
        (tmp_path / "output").mkdir()
        for name in names:
            (tmp_path / "output" / name).write_text(name)
        folder = {"class": "Directory", "path": str(tmp_path / "output")}

        assert step("stage-out", {"output_path": {"directory": "stac"}, "output_dir": folder}).code == 0

        documents = [json.loads(path.read_text()) for path in (tmp_path / "stac").glob("*.stac/*.json")]
        found = {asset["href"].removeprefix("../") for document in documents for asset in document["assets"].values()}
        encoded = {"a%23b.csv", "a%23c.csv", "d%3Fe.csv", "f%3Bg.csv", "50%25%23.csv"}
        assert found == {*encoded, "50%.csv", "a b.csv"}

    def test_a_result_called_catalog_is_not_overwritten(self, step: Runner, tmp_path: Path) -> None:
        (tmp_path / "output").mkdir()
        (tmp_path / "output" / "catalog.json").write_text("mine")
        folder = {"class": "Directory", "path": str(tmp_path / "output")}

        result = step("stage-out", {"output_path": {"directory": "stac"}, "output_dir": folder})

        assert (result.code, "the results have a file of this name" in result.err) == (2, True)
