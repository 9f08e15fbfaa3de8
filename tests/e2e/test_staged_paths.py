"""A package in Unity's style: stage-ins whose defaults are paths, and a stage-out on the author's machine."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import forked_programs
import pystac
import pytest
from forked_programs import CWLTOOL
from staging_servers import HttpServer, http_server
from support import commit_all, write_notebook

from generator.cli import main

pytestmark = [
    pytest.mark.engine,
    pytest.mark.slow,
]
_CELL = """\
granules = 'in/'  # type: stage-in
mask = 'in/mask.csv'  # type: stage-in
tiles = ['in/mask.csv']  # type: stage-in
scene = {'path': 'in/mask.csv'}  # type: stage-in
folders = ['in/']  # type: stage-in
extra = 'in'  # type: stage-in[Directory]?
results = '/unity/ads/outputs/X/'  # type: stage-out"""
_CODE = """\
import json, os
read = lambda path: open(path).read()
found = {'catalog': json.loads(read(granules + 'catalog.json'))['id'], 'files': sorted(os.listdir(granules)),
         'mask': read(mask), 'tiles': [read(tile) for tile in tiles], 'scene': read(scene['path']), 'extra': extra,
         'folders': [json.loads(read(one + 'catalog.json'))['id'] for one in folders]}
open(results + 'found.json', 'w').write(json.dumps(found))"""


@pytest.fixture(scope="module")
def package(
    base_image: str, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Path:  # fmt: skip
    place = tmp_path_factory.mktemp("unity")
    repository = place / "tests" / "unity"
    write_notebook(repository / "process.ipynb", _CELL, _CODE)
    (repository / "in").mkdir()
    (repository / "in" / "catalog.json").write_text('{"id": "default"}')
    (repository / "in" / "mask.csv").write_text("default")
    commit_all(repository)
    capture = request.config.pluginmanager.getplugin("capturemanager")
    capture.suspend_global_capture(in_=True)
    code = main(["build", str(repository), "--output", str(place / "packages"), "--image", "tests.unity:x"])
    capture.resume_global_capture()
    assert code == 0
    return place / "packages/tests/unity/main"


@pytest.fixture
def given(tmp_path: Path) -> Path:
    """A catalog of a user, with a file in a folder of its own."""
    (tmp_path / "given" / "items").mkdir(parents=True)
    (tmp_path / "given" / "catalog.json").write_text('{"id": "given"}')
    (tmp_path / "given" / "items" / "a.json").write_text("{}")
    (tmp_path / "given.csv").write_text("given")
    return tmp_path


@pytest.fixture
def web() -> Iterator[HttpServer]:
    with http_server() as server:
        server.put("/mask.csv", b"fetched")
        yield server


def found(folder: Path) -> dict[str, object]:
    document: dict[str, object] = json.loads((folder / "found.json").read_text())
    return document


def test_the_repository_s_own_folder_is_the_default(
    package: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert main(["run", str(package), "--outdir", str(tmp_path / "out")]) == 0, capfd.readouterr().err

    result = found(tmp_path / "out/output/X")
    assert str(result.pop("extra")).endswith("_in")
    assert result == {
        "catalog": "default",
        "files": ["catalog.json", "mask.csv"],
        "mask": "default",
        "tiles": ["default"],
        "scene": "default",
        "folders": ["default"],
    }


def test_a_user_s_folder_and_files_need_no_staging(
    package: Path, given: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    words = [f"granules={given}/given", f"mask={given}/given.csv", f"tiles={given}/given.csv"]
    words.append(f'scene={{"class": "File", "path": "{given}/given.csv"}}')

    code = main(["run", str(package), "--outdir", str(given / "out"), *(w for v in words for w in ("-p", v))])

    captured = capfd.readouterr()
    assert code == 0, captured.err
    assert "stage-in mask" not in captured.err
    result = found(given / "out/output/X")
    assert (result["catalog"], result["files"]) == ("given", ["catalog.json", "items"])
    assert (result["mask"], result["tiles"], result["scene"]) == ("given", ["given"], "given")


def test_a_folder_flows_through_the_workflow_of_plain_cwltool(package: Path, given: Path, web: HttpServer) -> None:
    job = {
        "granules": {"class": "Directory", "path": str(given / "given")},
        "mask": f"{web.url}/mask.csv",
        "tiles": [f"{web.url}/mask.csv", {"class": "File", "path": str(given / "given.csv")}],
        "scene": {"class": "File", "path": str(given / "given.csv")},
        "folders": [{"class": "Directory", "path": str(given / name)} for name in ("given", "given")],
        "stage_out": "delivered",
    }
    (given / "job.json").write_text(json.dumps(job))

    words = ("--custom-net", "host", "--outdir", given / "out", package / "workflow.cwl", given / "job.json")
    done = forked_programs.run(CWLTOOL, *words, env={**os.environ, "NO_COLOR": "1"})

    assert done.returncode == 0, done.stderr
    result = found(given / "out/delivered/X")
    assert (result["catalog"], result["files"]) == ("given", ["catalog.json", "items"])
    assert (result["mask"], result["tiles"], result["scene"]) == ("fetched", ["fetched", "given"], "given")
    assert (result["folders"], result["extra"]) == (["given", "given"], "in")


def test_a_platform_runs_it_with_staged_folders_in_plain_cwltool(package: Path, given: Path) -> None:
    asset = {"href": "./given.csv", "roles": ["data"]}
    (given / "staged").mkdir()
    (given / "staged" / "given.csv").write_text("given")
    (given / "staged" / "item.json").write_text(json.dumps({"type": "Feature", "assets": {"csv": asset}}))
    links = [{"rel": "item", "href": "./item.json"}]
    (given / "staged" / "catalog.json").write_text(json.dumps({"id": "staged", "type": "Catalog", "links": links}))
    folder = {"class": "Directory", "path": "staged"}
    job = {"granules": folder, "mask": folder, "tiles": folder, "scene": folder, "folders": [folder]}
    (given / "job.json").write_text(json.dumps(job))

    words = ("--outdir", "out", f"{package}/application.cwl#tests.unity.main", "job.json")
    done = forked_programs.run(CWLTOOL, *words, cwd=given, env={**os.environ, "NO_COLOR": "1"})

    assert done.returncode == 0, done.stderr
    assert [*json.loads(done.stdout)] == ["output_dir"]
    result = found(given / "out/output/X")
    assert (result["catalog"], result["files"]) == ("staged", ["catalog.json", "given.csv", "item.json"])
    assert (result["mask"], result["tiles"], result["scene"]) == ("given", ["given"], "given")
    assert (result["folders"], result["extra"]) == (["staged"], "in")
    results = pystac.Catalog.from_file(f"{given}/out/output/catalog.json")
    assert {item.id for item in results.get_items()} == {"X-found", "process", "scraps"}


def test_an_address_becomes_a_folder_with_a_catalog(
    package: Path, given: Path, web: HttpServer, capfd: pytest.CaptureFixture[str]
) -> None:
    web.put("/mask.csv", b"fetched")
    words = [f"extra={web.url}/mask.csv", f"mask={web.url}/mask.csv", "stage_out=delivered"]

    options = [word for value in words for word in ("-p", value)]
    code = main(["run", str(package), "--outdir", str(given / "out"), *options, "--", "--custom-net", "host"])

    assert code == 0, capfd.readouterr().err
    result = found(given / "out/delivered/X")
    assert (result["catalog"], result["mask"]) == ("default", "fetched")
    assert str(result["extra"]).endswith("/extra")


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ('granules={"class": "File", "path": "given.csv"}', "granules is a File, but a Directory is needed"),
        ("granules=given.csv", "granules is 'given.csv', which is a File, but Directory is needed"),
        ("mask=given", "mask is 'given', which is a Directory, but File is needed"),
    ],
)
def test_a_file_for_a_folder_is_refused_before_the_run(
    package: Path,
    given: Path,
    value: str,
    problem: str,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(given)

    assert main(["run", str(package), "--outdir", "out", "-p", value]) == 2
    assert problem in capfd.readouterr().err
    assert not Path("out").exists()
