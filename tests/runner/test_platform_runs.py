"""A run of ``application.cwl``, as a platform starts it: folders with a STAC catalog in, and one out."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pystac
import pytest
from bare_runs import BareRunner

from generator.runner.packaged.platform_inputs import process_inputs
from generator.runner.packaged.result_catalog import write_result_catalog
from generator.shared.failures import BadInputsError

Stage = Callable[..., Path]


def _item(name: str, assets: dict[str, Any]) -> dict[str, Any]:
    return {"type": "Feature", "stac_version": "1.0.0", "id": name, "assets": assets}


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    """Write a staged folder: a catalog, a child catalog with an Item for each argument, and the files of its assets."""

    def write(*items: dict[str, dict[str, Any]]) -> Path:
        folder = tmp_path / "staged"
        links = []
        for number, assets in enumerate(items):
            place = folder / "group" / f"item-{number}"
            place.mkdir(parents=True)
            for asset in assets.values():
                if asset["href"].startswith("./"):
                    (place / asset["href"]).write_text("x")
            (place / "item.json").write_text(json.dumps(_item(f"item-{number}", assets)))
            links.append({"rel": "item", "href": f"./item-{number}/item.json"})
        (folder / "group" / "catalog.json").write_text(json.dumps({"type": "Catalog", "links": links}))
        child = {"rel": "child", "href": "group/catalog.json"}
        up = {"rel": "self", "href": "https://example.org/catalog.json"}
        (folder / "catalog.json").write_text(json.dumps({"type": "Catalog", "links": [up, child]}))
        return folder

    return write


def _directory(folder: Path) -> dict[str, str]:
    return {"class": "Directory", "path": str(folder)}


def _names(files: Any) -> list[str]:
    return [file["basename"] for file in files]


def test_a_list_of_files_is_the_data_of_every_item_in_order(stage: Stage) -> None:
    data = {"href": "./b.tif", "roles": ["data"]}
    folder = stage(
        {"thumb": {"href": "./t.png", "roles": ["thumbnail"]}, "data": data},
        {"a": {"href": "./a.tif", "roles": ["data"]}},
    )

    files = process_inputs({"x": _directory(folder)}, staged=[("x", "File[]")])["x"]

    assert _names(files) == ["b.tif", "a.tif"]
    assert files[0]["class"] == "File"
    assert Path(files[0]["path"]).read_text() == "x"


def test_assets_without_roles_are_data(stage: Stage) -> None:
    folder = stage({"a": {"href": "./a%20b.tif"}, "meta": {"href": "./m.xml", "roles": ["metadata"]}})
    (folder / "group/item-0/a%20b.tif").rename(folder / "group/item-0/a b.tif")

    assert _names(process_inputs({"x": _directory(folder)}, staged=[("x", "File[]")])["x"]) == ["a b.tif"]


def test_one_file_is_the_only_asset(stage: Stage) -> None:
    folder = stage({"a": {"href": "./a.tif"}})

    assert process_inputs({"x": _directory(folder)}, staged=[("x", "File")])["x"]["basename"] == "a.tif"


def test_several_files_are_not_one(stage: Stage) -> None:
    folder = stage({"a": {"href": "./a.tif"}}, {"b": {"href": "./b.tif"}})

    with pytest.raises(BadInputsError, match=r"x: .* has 2 files, but the process takes one"):
        process_inputs({"x": _directory(folder)}, staged=[("x", "File")])


def test_a_folder_without_a_catalog_gives_its_files(tmp_path: Path) -> None:
    for name in ("b.tif", "a.tif", ".hidden"):
        (tmp_path / name).write_text("x")

    assert _names(process_inputs({"x": _directory(tmp_path)}, staged=[("x", "File[]")])["x"]) == ["a.tif", "b.tif"]


@pytest.mark.parametrize(
    "href",
    ["https://example.org/a.tif", "s3://bucket/a.tif", "../../../secret.txt", "/etc/passwd", "missing.tif", 3, ""],
)
def test_an_asset_that_is_not_in_the_folder_is_refused(href: Any, stage: Stage, tmp_path: Path) -> None:
    (tmp_path / "secret.txt").write_text("x")
    folder = stage({"a": {"href": "./a.tif"}})
    item = folder / "group/item-0/item.json"
    item.write_text(json.dumps(_item("a", {"a": {"href": href}})))

    with pytest.raises(BadInputsError, match="staged"):
        process_inputs({"x": _directory(folder)}, staged=[("x", "File[]")])


@pytest.mark.parametrize(
    "text", ["", "[]", "[" * 100_000, '{"links": [{"rel": "item", "href": "catalog.json"}]}', '{"links": 3}']
)
def test_a_catalog_that_leads_to_no_file_is_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "catalog.json").write_text(text)

    with pytest.raises(BadInputsError, match=r"catalog\.json"):
        process_inputs({"x": _directory(tmp_path)}, staged=[("x", "File[]")])


@pytest.mark.parametrize("value", ["/nowhere", {"class": "File", "path": __file__}, 3, {"class": "Directory"}])
def test_a_staged_input_is_a_folder(value: Any) -> None:
    with pytest.raises(BadInputsError, match="x: not a folder"):
        process_inputs({"x": value}, staged=[("x", "File[]")])


def test_an_optional_staged_input_may_be_missing() -> None:
    assert process_inputs({"x": None}, staged=[("x", "File"), ("y", "File")]) == {"x": None}


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ('{"a": [1, null]}', {"a": [1, None]}),
        ("12", 12),
        ("2026-01-01", "2026-01-01"),
        ("[" * 100_000, "[" * 100_000),
        ([], None),
        (["a"], ["a"]),
        (None, None),
    ],
)
def test_plain_values_become_those_of_the_process(given: Any, expected: Any) -> None:
    assert process_inputs({"x": given, "y": "12"}, plain=["x"]) == {"x": expected, "y": "12"}


@pytest.mark.slow
def test_a_platform_runs_it_from_staged_folders_to_a_folder_with_a_catalog(run: BareRunner, stage: Stage) -> None:
    folder = stage({"a": {"href": "./a.tif", "roles": ["data"]}}, {"b": {"href": "./b.tif", "roles": ["data"]}})

    done = run(
        "tiles = []  # type: stage-in\nsettings = {'a': 1}\nnames = None  # type: string[]",
        "import pathlib\npathlib.Path('o').mkdir()",
        "pathlib.Path('o', 'x.txt').write_text(f'{len(tiles)} {settings[\"a\"] + 1} {names}')",
        job={"tiles": _directory(folder), "settings": '{"a": 2}', "names": []},
        document="application.cwl",
    )

    assert done.code == 0, done.log
    assert [*done.outputs] == ["output_dir"]
    assert (done.folder / "o/x.txt").read_text() == "2 3 None"
    catalog = pystac.Catalog.from_file(str(done.folder / "catalog.json"))
    assert catalog.id == "ada.trees.main"
    items = {item.id: item for item in catalog.get_items()}
    assert {*items} == {"o-x", "process", "scraps"}
    asset = items["o-x"].assets["txt"]
    assert Path(str(asset.get_absolute_href())) == done.folder / "o/x.txt"
    assert (asset.roles, items["process"].assets["ipynb"].roles) == (["data"], ["metadata"])


@pytest.mark.slow
def test_a_platform_runs_it_for_each_of_several_folders(run: BareRunner, tmp_path: Path) -> None:
    for name in ("b", "a"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "tile.txt").write_text(name)

    done = run(
        "tile = 'x.txt'  # type: stage-in\nout = 'x.txt'  # type: stage-out\nmore = 'm*.txt'  # type: stage-out?",
        "open(out, 'w').write(open(tile).read() * 2)\nif 'b' in open(tile).read(): open('m1.txt', 'w').close()",
        job={"tile": [_directory(tmp_path / "b"), _directory(tmp_path / "a")]},
        document="scatter.cwl",
    )

    assert done.code == 0, done.log
    assert [*done.outputs] == ["more", "out", "output_dir"]
    assert [Path(one["path"]).read_text() for one in done.outputs["out"]] == ["bb", "aa"]
    assert [one["class"] for one in done.outputs["output_dir"]] == ["Directory", "Directory"]
    catalogs = [Path(one["path"], "catalog.json") for one in done.outputs["output_dir"]]
    assert all(pystac.Catalog.from_file(str(one)).id == "ada.trees.main" for one in catalogs)


def _write_catalog(output: Path) -> list[str]:
    said: list[str] = []
    write_result_catalog(output, name="n", time=datetime(2026, 1, 1, tzinfo=timezone.utc), say=said.append)
    return said


def test_catalogs_of_the_process_become_children(tmp_path: Path) -> None:
    for path in ("maps/catalog.json", "maps/inner/catalog.json", "maps/a.tif", "b.txt"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text("{}")

    _write_catalog(tmp_path)

    links = json.loads((tmp_path / "catalog.json").read_text())["links"]
    assert [(link["rel"], link["href"]) for link in links if link["rel"] != "root"] == [
        ("item", "./b.stac/b.json"),
        ("child", "./maps/catalog.json"),
    ]


def test_a_folder_whose_path_has_characters_that_end_that_of_an_address_has_its_catalog(tmp_path: Path) -> None:
    output = tmp_path / "tile #1; which?" / "output"
    output.mkdir(parents=True)
    (output / "b.txt").write_text("")

    _write_catalog(output)

    assert [link["href"] for link in json.loads((output / "catalog.json").read_text())["links"]] == [
        "./catalog.json",
        "./b.stac/b.json",
    ]
    assert json.loads((output / "b.stac" / "b.json").read_text())["assets"]["txt"]["href"] == "../b.txt"
    assert [one.name for one in tmp_path.iterdir()] == ["tile #1; which?"]


def test_catalogs_and_files_of_any_name_are_found_by_readers(tmp_path: Path) -> None:
    inner = '{"type": "Catalog", "id": "inner", "stac_version": "1.1.0", "description": "", "links": []}'
    for name in ("tile#1", "tile#2"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "catalog.json").write_text(inner)
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/a#\xff.csv")).touch()

    _write_catalog(tmp_path)

    links = json.loads((tmp_path / "catalog.json").read_text())["links"]
    children = [link["href"] for link in links if link["rel"] == "child"]
    assert children == ["./tile%231/catalog.json", "./tile%232/catalog.json"]
    (item,) = tmp_path.glob("*.stac/*.json")
    assert [asset["href"] for asset in json.loads(item.read_text())["assets"].values()] == ["../a%23%FF.csv"]


def test_the_process_s_own_catalog_of_all_results_is_kept(tmp_path: Path) -> None:
    (tmp_path / "catalog.json").write_text("{}")

    said = _write_catalog(tmp_path)

    assert (tmp_path / "catalog.json").read_text() == "{}"
    assert said == ["catalog.json: written by the process, and kept"]
