"""Dates, bounds, boxes and GeoJSON in every protocol of the server, with real kernels."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta, timezone

import pytest
from notebook_server import NotebookServer
from support import write_notebook

_CELL = """\
from datetime import date
start = "today-5d"  # type: date[2015-06-23..today] first day
end = date(2020, 1, 31)  # type: date
when = "2020-01-31T12:00:00Z"  # type: datetime
n = 3  # type: int[1..10] K
share = 0.5  # type: float[>0..<1 step 0.1]
area = [-10.5, 36, -6, 42.2]  # type: bbox
aoi = {"type": "Point", "coordinates": [1, 2]}  # type: geojson
"""
_PRINT = "from packmill import glue\nglue('given', [start, repr(end), when, n, share, area, aoi])"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NotebookServer]:
    folder = tmp_path_factory.mktemp("typed")
    write_notebook(folder / "root" / "typed.ipynb", _CELL, _PRINT)
    started = NotebookServer(folder / "root", folder / "data", "--workers", "1").start()
    yield started
    started.stop()


def given(server: NotebookServer, run: str) -> list[object]:
    """The values that the notebook of a run had."""
    server.wait_for(run, "succeeded")
    return list(server.get(f"/runs/{run}/result")["scraps"]["given"])


def test_a_run_has_the_forms_of_the_cell_and_today_in_utc(server: NotebookServer) -> None:
    before = datetime.now(timezone.utc).date()
    run = server.begin("typed.ipynb", end="2021-02-03", when="2021-02-03T10:00", area="1,2,3,4")
    start, *others = given(server, run)

    assert start in {str(day - timedelta(days=5)) for day in (before, datetime.now(timezone.utc).date())}
    point = {"type": "Point", "coordinates": [1, 2]}
    assert others == ["datetime.date(2021, 2, 3)", "2021-02-03T10:00Z", 3, 0.5, [1, 2, 3, 4], point]


def test_values_outside_are_refused_together(server: NotebookServer) -> None:
    body = {"n": 30, "share": 1, "start": "2014-01-01", "area": [1, 2], "aoi": {"type": "Point"}}
    answer = server.ask("POST", "/notebooks/typed.ipynb/runs", json=body)

    assert answer.status_code == 400
    assert [issue.partition(",")[0] for issue in sorted(answer.json()["issues"])] == [
        "aoi is {'type': 'Point'}",
        "area is [1",
        "n is 30",
        "share is 1",
        "start is '2014-01-01'",
    ]
    assert "n is 30, but an int from 1 to 10 K is needed" in answer.json()["issues"]


def test_ogc_takes_the_standard_s_box_in_degrees(server: NotebookServer) -> None:
    described = server.get("/ogc/processes/typed")["inputs"]["area"]["schema"]
    other = {"bbox": [1, 2, 3, 4], "crs": "http://www.opengis.net/def/crs/EPSG/0/32629"}
    refused = server.ask("POST", "/ogc/processes/typed/execution", json={"inputs": {"area": other}})
    body = {"inputs": {"area": {"bbox": [1, 2, 3, 4]}}, "outputs": {"scraps": {}}}
    answer = server.ask("POST", "/ogc/processes/typed/execution", json=body)

    assert described["format"] == "ogc-bbox"
    assert (refused.status_code, answer.status_code) == (400, 200)
    assert [1, 2, 3, 4] in answer.json()["given"]


def test_a_form_has_controls_of_the_types_and_says_what_does_not_fit(server: NotebookServer) -> None:
    page = server.ask("GET", "/notebooks/typed.ipynb", headers={"Accept": "text/html"}).text
    fields = {"start": "", "end": "2021-02-03", "when": "", "n": "11", "share": "0.5", "area": "1, 2, 3, 4", "aoi": "{"}
    headers = {"Accept": "text/html", "Origin": server.url}
    answer = server.ask("POST", "/notebooks/typed.ipynb", data=fields, headers=headers)

    assert 'type="date" id="field-start" name="start" value="" min="2015-06-23" max="20' in page
    assert 'type="date" id="field-end" name="end" value="2020-01-31"' in page
    assert 'type="datetime-local" id="field-when" name="when" value="2020-01-31T12:00:00" step="1"' in page
    assert 'type="number" id="field-n" name="n" value="3" min="1" max="10" step="1"' in page
    assert 'name="share" value="0.5" min="0" max="1" step="0.1"' in page
    assert 'type="text" id="field-area" name="area" value="-10.5, 36, -6, 42.2"' in page
    assert "Without a value, the run uses today-5d (UTC)." in page
    assert answer.status_code == 400
    assert "This value is &#39;11&#39;, but an int from 1 to 10 K is needed." in answer.text
    assert "which is not GeoJSON: it is not valid JSON" in answer.text


def test_a_form_starts_a_run_with_emptied_fields_at_their_defaults(server: NotebookServer) -> None:
    fields = {"start": "", "end": "2021-02-03", "when": "2021-02-03T10:00", "n": "4", "share": "", "area": "1,2,3,4"}
    headers = {"Accept": "text/html", "Origin": server.url}
    answer = server.ask("POST", "/notebooks/typed.ipynb", data=fields, headers=headers)

    assert answer.status_code == 303
    _, *others = given(server, answer.headers["Location"].rpartition("/")[2])
    assert others[:4] == ["datetime.date(2021, 2, 3)", "2021-02-03T10:00Z", 4, 0.5]


def test_openapi_has_the_bounds_and_an_example_that_fits(server: NotebookServer) -> None:
    document = server.get("/notebooks/typed.ipynb/openapi.json")
    body = document["paths"]["/notebooks/typed.ipynb/runs"]["post"]["requestBody"]["content"]["application/json"]
    n = body["schema"]["properties"]["n"]["anyOf"][0]

    assert (n["minimum"], n["maximum"]) == (1, 10)
    assert server.ask("POST", "/notebooks/typed.ipynb/runs", json=body["example"]).status_code in (201, 202)
