"""Artifacts are previewed on the page of their job: tables, maps, pictures of rasters, pages and texts."""

from __future__ import annotations

import errno
import json
import os
import shlex
import shutil
import signal
import time
from pathlib import Path
from typing import Any

import pytest
import requests
from axe_playwright_python.sync_playwright import Axe
from ci_service import ACCESS, Service
from playwright.sync_api import Browser, Page, expect
from support import here
from tiny_arrays import write_raster, write_zarr
from waiting import wait_until

from generator.service import array_files
from generator.service.array_files import describe, summary
from generator.service.pages.previews import previews
from generator.service.store.job_folders import JobFolder
from generator.subprocesses.commands import Finished

_PARQUET = here / "server" / "parquet" / "zstd.parquet"
_FIELD = [[13.40, 52.50], [13.41, 52.50], [13.41, 52.51], [13.40, 52.50]]
_SCRIPT = "<script>parent.document.title = 'broken'</script>"


def _feature(kind: str, coordinates: Any, **properties: Any) -> dict[str, Any]:
    return {"type": "Feature", "properties": properties, "geometry": {"type": kind, "coordinates": coordinates}}


def _write_files(folder: Path) -> None:
    shutil.copy(_PARQUET, folder / "stations.parquet")
    features = [_feature("Polygon", [_FIELD], crop="<b>wheat"), _feature("Point", [13.405, 52.505], crop="tree")]
    (folder / "fields.geojson").write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    (folder / "meters.geojson").write_text(json.dumps(_feature("Point", [4321000, 3210000])))
    (folder / "broken.geojson").write_text('{"type":')
    write_raster(folder / "height.tif", 32633, tie=(393000, 5820000), scale=10, rows=[[1, 2, 3], [4, 5, 6]])
    (folder / "broken.tif").write_bytes(b"II*\0" + bytes(99))
    (folder / "report.html").write_text(f"<h1>A report</h1>{_SCRIPT}")
    (folder / "notes.md").write_text(f"# Notes\n\n$x^2$ {_SCRIPT}")
    (folder / "run.log").write_text("<b>first line\n")
    (folder / "stats.json").write_text('{"mean": [1, 2]}')


@pytest.fixture(scope="module")
def address(service: Service, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The page of a job that left a file of each kind."""
    folder = tmp_path_factory.mktemp("files")
    _write_files(folder)
    number = service.trigger(script=f"cp -r {shlex.quote(str(folder))} out; truncate -s 120M out/large.tif")
    assert service.wait(number) == "success"
    return f"{service.url}/ada/toy/-/jobs/{service.jobs(number)['one']['id']}"


@pytest.fixture(scope="module")
def page(browser: Browser, service: Service, address: str) -> Page:
    """The page of the job with all previews open."""
    opened = browser.new_context().new_page()
    opened.goto(f"{service.url}/")
    opened.get_by_label("Access token").fill(ACCESS)
    opened.keyboard.press("Enter")
    expect(opened.get_by_role("heading", name="Pipelines")).to_be_visible()
    notes = f"{address}/preview/out/notes.md"
    wait_until(
        lambda: "<math" in requests.get(notes, cookies=_cookies(opened), timeout=60).text, message="it is rendered"
    )
    opened.goto(address)
    for unfolded in opened.locator("details.preview").all():
        unfolded.evaluate("it => it.open = true")
        unfolded.scroll_into_view_if_needed()
    return opened


def test_a_parquet_file_is_shown_as_a_table(page: Page) -> None:
    table = page.get_by_role("region", name="Table out/stations.parquet")

    expect(table.get_by_role("columnheader", name="station")).to_be_visible(timeout=30_000)
    expect(table.get_by_role("cell", name="CH0", exact=True)).to_be_visible()


def test_geojson_is_a_map_with_the_properties_of_its_features(page: Page) -> None:
    drawn = page.get_by_role("img", name="Map of out/fields.geojson: 13.4° E to 13.41° E, 52.5° N to 52.51° N")

    expect(drawn).to_be_visible(timeout=30_000)
    expect(drawn.locator(".areas")).to_have_count(1)
    expect(drawn.locator(".points circle")).to_have_count(1)
    expect(drawn.locator(".locator .land")).to_have_count(1)
    expect(page.get_by_role("cell", name="<b>wheat")).to_be_visible()


def test_previews_show_whole_numbers_of_64_bits_with_all_their_digits(browser: Browser) -> None:
    """Also in lists, and in GeoJSON where the browser gives a number's text."""
    opened = browser.new_page()
    opened.add_script_tag(path=here.parent / "generator/runner/server/pages/static/preview-worker.js")

    assert opened.evaluate("textOf([2n ** 53n + 1n, 7n, {n: -(2n ** 53n) - 1n}])") == (
        '["9007199254740993",7,{"n":"-9007199254740993"}]'
    )
    text = '{"id": 1234567890123456789, "ids": [-1234567890123456789], "part": 0.12345678901234566, "one": 1}'
    assert opened.evaluate("text => textOf(parsed(text))", text) == (
        '{"id":"1234567890123456789","ids":["-1234567890123456789"],"part":0.12345678901234566,"one":1}'
    )
    opened.close()


def test_a_geotiff_is_a_picture_and_a_map_of_its_place(page: Page) -> None:
    expect(page.get_by_role("img", name="Picture of out/height.tif")).to_be_visible(timeout=30_000)
    expect(page.get_by_text("3 × 2 pixels, 1 band, EPSG:32633")).to_be_visible()
    expect(page.get_by_role("img", name="Map of out/height.tif: 13.423° E to")).to_be_visible()
    picture = "it => [...it.getContext('2d').getImageData(0, 0, 1, 1).data]"
    assert page.get_by_role("img", name="Picture of out/height.tif").evaluate(picture) == [68, 1, 84, 255]


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("broken.geojson", "it is not valid JSON"),
        ("meters.geojson", "its coordinates are not degrees of longitude and latitude"),
        ("broken.tif", "it is damaged, or of a kind that cannot be read"),
        ("large.tif", "it is too large (126 MB); download it"),
    ],
)
def test_a_file_that_cannot_be_shown_has_the_reason(page: Page, name: str, reason: str) -> None:
    expect(page.get_by_text(f"out/{name} is not shown: {reason}.")).to_be_visible(timeout=30_000)


def test_pages_and_texts_are_shown_in_frames_without_rights(page: Page, address: str) -> None:
    frames = {
        name: page.frame_locator(f'iframe[title="out/{name}"]') for name in ("report.html", "notes.md", "run.log")
    }

    expect(frames["report.html"].get_by_role("heading", name="A report")).to_be_visible(timeout=30_000)
    expect(frames["notes.md"].locator("math")).to_be_visible(timeout=30_000)
    expect(frames["run.log"].get_by_text("<b>first line")).to_be_visible()
    assert "broken" not in page.title()
    answer = requests.get(f"{address}/preview/out/report.html", cookies=_cookies(page), timeout=60)
    assert answer.headers["Content-Security-Policy"].startswith("sandbox; default-src 'none'")
    text = requests.get(f"{address}/preview/out/stats.json", cookies=_cookies(page), timeout=60)
    assert "&#34;mean&#34;: [\n  1,\n  2\n ]" in text.text
    assert requests.get(f"{address}/preview/out/height.tif", cookies=_cookies(page), timeout=60).status_code == 404


def _cookies(page: Page) -> dict[str, str]:
    return {one["name"]: one["value"] for one in page.context.cookies()}


def test_a_page_with_previews_asks_no_other_host_and_has_no_barriers(page: Page, service: Service) -> None:
    hosts = "performance.getEntriesByType('resource').map((one) => new URL(one.name).origin)"
    expect(page.get_by_role("img", name="Picture of out/height.tif")).to_be_visible(timeout=30_000)

    assert set(page.evaluate(hosts)) == {service.url}
    found = Axe().run(page, options={"runOnly": ["wcag2a", "wcag2aa", "wcag21aa", "best-practice"]})
    assert found.violations_count == 0, found.generate_report()
    assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0


def test_maps_and_tables_come_first_and_the_first_are_open() -> None:
    names = ["a.txt", "a.tif", "packages/x/a.geojson", "out/scraps.json", "b.geojson", "c.zarr/t/0.0", "d.nc"]
    found = previews(dict.fromkeys(names, 9) | {"large.parquet": 10**9})

    assert [one.name for one in found] == ["large.parquet", "b.geojson", "a.tif", "c.zarr", "d.nc", "a.txt"]
    assert [one.name for one in found if one.is_open] == ["b.geojson", "a.tif", "c.zarr"]


@pytest.fixture
def job(tmp_path: Path) -> JobFolder:
    """A job that left arrays."""
    files = tmp_path / "files"
    files.mkdir()
    write_raster(files / "a.tif", 32633, tie=(393000, 5820000), scale=10, rows=[[1, 2, 3]])
    write_zarr(files / "cube.zarr")
    (files / "broken.tif").write_bytes(b"II*\0")
    made = JobFolder(tmp_path / "job")
    made.path.mkdir()
    shutil.make_archive(str(made.artifacts.with_suffix("")), "zip", files)
    return made


def test_a_process_with_limits_says_what_arrays_are_about(job: JobFolder) -> None:
    found = describe(job, "a.tif")

    assert found["variables"] == [["b1", "", "uint8", "", ""]]
    assert found["corners"][:2] == pytest.approx([13.423, 52.519], abs=1e-3)
    assert describe(job, "broken.tif")["remark"].startswith("its content does not fit")
    cube = describe(job, "cube.zarr")
    assert cube["variables"] or "pip install" in cube["remark"]
    assert describe(job, "nothing.nc") == {"reason": "it is damaged"}


def test_a_description_is_made_once(job: JobFolder) -> None:
    found = describe(job, "a.tif")
    job.artifacts.unlink()

    assert describe(job, "a.tif") == found


@pytest.mark.parametrize(
    "failure",
    [
        OSError(errno.ENOSPC, "No space left on device"),
        OSError(errno.EMFILE, "Too many open files"),
        BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable"),
        Finished(command=(), code=-signal.SIGKILL, stdout="", stderr=""),
    ],
    ids=["full", "files", "processes", "killed"],
)
def test_a_failure_of_the_machine_is_no_property_of_a_file(
    failure: OSError | Finished, job: JobFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was shown for ever, as that the file is damaged."""

    def fail(*_: object, **__: object) -> Finished:
        if isinstance(failure, OSError):
            raise failure
        return failure

    with monkeypatch.context() as during:
        during.setattr(array_files, "run", fail)
        shown = describe(job, "a.tif")

    assert "damaged" not in shown["reason"]
    assert describe(job, "a.tif")["variables"]


def test_a_file_that_takes_too_long_is_tried_again_after_ten_minutes(
    job: JobFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each view of its page waited for half a minute."""
    tried = []

    def take_long(*_: object, **__: object) -> Finished:
        tried.append(1)
        return Finished(command=(), code=124, stdout="", stderr="")

    with monkeypatch.context() as during:
        during.setattr(array_files, "run", take_long)
        shown = [describe(job, "a.tif") for _ in range(2)]
    assert shown[0] == shown[1]
    assert "too long" in shown[0]["reason"]
    assert len(tried) == 1

    [failed] = job.pages.glob("*.failed")
    os.utime(failed, (time.time() - 601,) * 2)
    assert describe(job, "a.tif")["variables"]


def test_variables_are_listed_with_their_dimensions() -> None:
    dimensions = {
        "time": {"type": "temporal", "extent": ["2024-01-01T00:00:00Z", "2024-01-03T00:00:00Z"]},
        "level": {"type": "other", "extent": [0.5, 2], "unit": "m"},
    }
    cube = {"cube:dimensions": dimensions, "cube:variables": {"t": {"dimensions": ["time", "level"]}}}
    bands = [{"name": "t", "data_type": "float32", "unit": "K", "description": "temperature"}]
    times = {"start": "2024-01-01T00:00:00Z", "end": "2024-01-01T00:00:00Z"}
    found = summary({"cube": cube, "bands": bands, **times, "footprint": None, "remark": "no place"})

    assert found == {
        "dimensions": [["time", "2024-01-01T00:00:00Z", "2024-01-03T00:00:00Z", ""], ["level", "0.5", "2", "m"]],
        "variables": [["t", "time, level", "float32", "K", "temperature"]],
        "time": "2024-01-01T00:00:00Z",
        "corners": None,
        "remark": "no place",
    }
