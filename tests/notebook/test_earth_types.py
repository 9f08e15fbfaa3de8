"""Bounds, units, dates, boxes and GeoJSON: what a hint means, what fits, and the schema of each."""

from __future__ import annotations

import json
from datetime import date, datetime, timezone
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from support import notebook

from generator.notebook.dates import like_default, moment_of, resolve
from generator.notebook.geojson import GeoJsonError, check_geojson
from generator.notebook.hints import UnknownHintError, parse_hint
from generator.notebook.interface import Interface, described_type
from generator.notebook.interface_reading import read_interface
from generator.notebook.notebook import read_notebook
from generator.notebook.ogc_description import ProcessSummary, process_description
from generator.notebook.parameters import Format
from generator.notebook.schemas import input_schema
from generator.notebook.units import is_unit
from generator.runner.document.injection import find_translator
from generator.runner.packaged.values import notebook_values
from generator.shared.failures import BadInputsError

_NOW = datetime(2026, 3, 31, 10, 30, 15, tzinfo=timezone.utc)
_POINT = {"type": "Point", "coordinates": [-9.1, 38.7]}


def read(cell: str) -> Interface:
    return read_interface(read_notebook(json.dumps(notebook(cell)).encode(), "process.ipynb"))


@pytest.mark.parametrize(
    ("hint", "meaning", "doc"),
    [
        ("int[1..10] K", "int from 1 to 10 K", ""),
        ("int[1..10] count", "int from 1 to 10", "count"),
        ("float[0..1] m s-1, of the wind", "float from 0 to 1 m s-1", "of the wind"),
        ("float[>0..]", "float above 0", ""),
        ("float[..<1.5]? share", "float below 1.5", "share"),
        ("float [furlong] pace", "float furlong", "pace"),
        ("float K", "float K", "K"),  # the doc of earlier versions stays
        ("float[-90..90][] °", "float[] from -90 to 90 °", ""),
        ("string[..1]", "string of at most 1 character", ""),
        ("date[2015-06-23..today]", "date from 2015-06-23 to today", ""),
        ("datetime[..now]", "date-time on or before now", ""),
        ("Annotated[int, Field(ge=1, lt=10)]", "int of at least 1 and below 10", ""),
        ("Annotated[int, 'ge=1', 'le=10']", "int from 1 to 10", ""),
        ("Annotated[int, Field(ge=limit())]", "int", ""),
        ("Annotated[list[int], Field(ge=1)]", "int[]", ""),
        ("float(0..1)", "float", "(0..1)"),  # text after a type, as ever
        ("int [str]", "int", ""),
    ],
)
def test_a_hint_means(hint: str, meaning: str, doc: str) -> None:
    found, text = parse_hint(hint)

    assert (described_type(found), text) == (meaning, doc)


@pytest.mark.parametrize(
    ("hint", "problem"),
    [
        ("int[10..1]", "no value is between 10 and 1"),
        ("float[>1..1]", "no value is between 1 and 1"),
        ("int[..]", r"write a range as \[1..10\]"),
        ("int[0.5..]", "'0.5' is not a whole number"),
        ("float[nan..]", "'nan' is not a number"),
        ("int[1..10 step 0]", "'0' is not a step"),
        ("date[2015-02-30..]", "'2015-02-30' is not a date"),
        ("bool[0..1]", "only numbers, dates and strings have bounds"),
    ],
)
def test_a_range_that_the_type_cannot_have_is_refused(hint: str, problem: str) -> None:
    with pytest.raises(UnknownHintError, match=problem):
        parse_hint(hint)


@pytest.mark.parametrize(
    "text", ["K", "m s-1", "kg/m3", "m^2", "m**-2", "m²", "W m-2 sr-1", "%", "°C", "degC", "hPa", "h"]
)
def test_a_unit_is_known(text: str) -> None:
    assert is_unit(text)


@pytest.mark.parametrize("text", ["", "count", "in", "number of days", "per day", "size", "the m", "K" * 50])
def test_other_text_is_not_a_unit(text: str) -> None:
    assert not is_unit(text)


@pytest.mark.parametrize(
    ("text", "kind", "expected"),
    [
        ("today", Format.DATE, "2026-03-31"),
        ("today-5d", Format.DATE, "2026-03-26"),
        ("today - 1mo", Format.DATE, "2026-02-28"),
        ("today+1y", Format.DATE, "2027-03-31"),
        ("yesterday", Format.DATE, "2026-03-30"),
        ("2020-01-31", Format.DATE, "2020-01-31"),
        ("now", Format.DATETIME, "2026-03-31T10:30:15Z"),
        ("now-6h", Format.DATETIME, "2026-03-31T04:30:15Z"),
        ("now-90min", Format.DATETIME, "2026-03-31T09:00:15Z"),
        ("today", Format.DATETIME, "2026-03-31T00:00:00Z"),
    ],
)
def test_a_word_is_a_date_at_the_time_of_a_run(text: str, kind: Format, expected: str) -> None:
    assert resolve(text, kind, _NOW) == expected


@pytest.mark.parametrize("word", ["today-99999y", "today+99999y"])
def test_a_word_for_no_date_is_refused(word: str) -> None:
    with pytest.raises(ValueError, match="between the years"):
        resolve(word, Format.DATETIME, _NOW)


@pytest.mark.parametrize(
    ("text", "default", "expected"),
    [
        ("2020-01-31T10:00", "2026-01-01T00:00:00Z", "2020-01-31T10:00Z"),
        ("2020-01-31T10:00:00+02:00", "2026-01-01T00:00:00", "2020-01-31T08:00:00"),
        ("2020-01-31T10:00:00Z", "2026-01-01 00:00:00", "2020-01-31 10:00:00"),
        ("2020-01-31T10:00:00Z", "now", "2020-01-31T10:00:00Z"),
        ("2020-01-31", "2026-01-01T00:00:00Z", "2020-01-31"),
    ],
)
def test_a_time_has_the_form_of_the_cell_s_own(text: str, default: str, expected: str) -> None:
    assert like_default(text, default) == expected


def test_a_time_is_in_utc_unless_it_has_an_offset() -> None:
    assert moment_of("2020-01-31T10:00:00.5+02:00") == datetime(2020, 1, 31, 8, 0, 0, 500000, tzinfo=timezone.utc)
    assert moment_of("2020-01-31") == datetime(2020, 1, 31, tzinfo=timezone.utc)
    assert moment_of("0001-01-01T00:00+02:00") is None


@pytest.mark.parametrize(
    ("cell", "given", "expected"),
    [
        ("a = '2020-01-31'  # type: date", "2021-02-03", "2021-02-03"),
        ("a = date(2020, 1, 31)  # type: date", "2021-02-03", date(2021, 2, 3)),
        ("a: datetime.date = '2020-01-31'", "2021-02-03", "2021-02-03"),
        ("a: datetime.date", "2021-02-03", date(2021, 2, 3)),
        ("a: date | None = None", "2021-02-03", date(2021, 2, 3)),
        ("a = None  # type: date?", "2021-02-03", "2021-02-03"),
        ("a = date.today() - timedelta(5)  # type: date", "2021-02-03", date(2021, 2, 3)),
        ("a = date.today().isoformat()  # type: date", "2021-02-03", "2021-02-03"),
        ("a = [date(2020, 1, 31)]  # type: date[]", ["2021-02-03"], [date(2021, 2, 3)]),
        ("a = datetime(2020, 1, 31)  # type: datetime", "2021-02-03T01:00+01:00", datetime(2021, 2, 3)),  # noqa: DTZ001
        (
            "a = datetime(2020, 1, 31, tzinfo=timezone.utc)  # type: datetime",
            "2021-02-03T00:00",
            datetime(2021, 2, 3, tzinfo=timezone.utc),
        ),
        ("a = [0, 0, 1, 1]  # type: bbox", "1,2,3,4.5", [1, 2, 3, 4.5]),
        ("a = [0, 0, 1, 1]  # type: bbox", ["170", "-10", "-170", "10"], [170, -10, -170, 10]),
        (f"a = {_POINT}  # type: geojson", json.dumps(_POINT), _POINT),
        (f"a = '{json.dumps(_POINT)}'  # type: geojson", _POINT, json.dumps(_POINT)),
        ("a: geojson", json.dumps(_POINT), _POINT),
        ("a = 3  # type: int[1..10]", "7", 7),
    ],
)
def test_a_value_has_the_form_of_the_cell_s_own(cell: str, given: Any, expected: Any) -> None:
    assert notebook_values({"a": given}, read(cell)) == {"a": expected}


@pytest.mark.parametrize(
    ("cell", "given", "problem"),
    [
        ("a = 3  # type: int[1..10] K", 11, "a is 11, but an int from 1 to 10 K is needed"),
        ("a = 1.5  # type: float[>0..]", 0, "a is 0, but a float above 0 is needed"),
        ("a = 1.5  # type: float[0..]", "nan", "a is 'nan', but a float of at least 0 is needed"),
        ("a = [3]  # type: int[1..10][]", [3, 11], "a is 11, but an int from 1 to 10 is needed"),
        ("a = 'x'  # type: string[1..2]", "xyz", "a is 'xyz', but a string of 1 to 2 characters is needed"),
        ("a = '2020-01-31'  # type: date", "2021-02-30", "a is '2021-02-30', but a date such as 2020-01-31"),
        ("a = 'today'  # type: date[..today]", "tomorrow", "a is 'tomorrow', which is 20"),
        ("a = 'today'  # type: date", "today-99999y", "a is 'today-99999y' is not a date between"),
        ("a = [0, 0, 1, 1]  # type: bbox", [0, 5, 1, 1], "whose south is north of its north"),
        ("a = [0, 0, 1, 1]  # type: bbox", [0, 0, 10**400, 1], "longitudes, from -180 to 360"),
        ("a = [0, 0, 1, 1]  # type: bbox", [0, 0, 1, True], "a bounding box has finite numbers alone"),
        (f"a = {_POINT}  # type: geojson", "{", "which is not GeoJSON: it is not valid JSON"),
    ],
)
def test_a_value_that_does_not_fit_is_named_with_what_does(cell: str, given: Any, problem: str) -> None:
    with pytest.raises(BadInputsError) as caught:
        notebook_values({"a": given}, read(cell))

    assert problem in str(caught.value)


def test_a_default_is_resolved_when_a_run_gives_no_value_and_also_if_the_document_has_it() -> None:
    interface = read("a = 'today-1d'  # type: date\nb = '2020-01-31'  # type: date")

    first, second = (notebook_values(given, interface, language="R") for given in ({}, {"a": "today-1d"}))

    assert first == second
    assert datetime.fromisoformat(first["a"]).date() < datetime.now(timezone.utc).date()


def test_a_default_that_is_outside_on_the_day_of_the_run_is_named() -> None:
    with pytest.raises(BadInputsError, match=r"a: its default is 'tomorrow', which is .* on or before 20"):
        notebook_values({}, read("a = 'tomorrow'  # type: date[..today]"))


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (
            "a = 3  # type: int[1..10] K",
            {"type": "integer", "minimum": 1, "maximum": 10, "default": 3, "description": "From 1 to 10 K."},
        ),
        (
            "a = 0.5  # type: float[>0..<1]",
            {
                "type": "number",
                "exclusiveMinimum": 0,
                "exclusiveMaximum": 1,
                "default": 0.5,
                "description": "Above 0 and below 1.",
            },
        ),
        (
            "a = 'x'  # type: string[1..2]",
            {"type": "string", "minLength": 1, "maxLength": 2, "default": "x", "description": "Of 1 to 2 characters."},
        ),
        ("a = '2020-01-31'  # type: date", {"type": "string", "format": "date", "default": "2020-01-31"}),
        (
            "a = '2020-01-31T12:00'  # type: datetime",
            {"type": "string", "format": "date-time", "default": "2020-01-31T12:00:00Z"},
        ),
        (
            "a = 'today-5d'  # type: date",
            {"type": "string", "format": "date", "description": "Default: today-5d, when the run starts (UTC)."},
        ),
        (
            "a = 'x.geojson'  # type: geojson",
            {"type": "string", "format": "binary", "contentMediaType": "application/geo+json"},
        ),
        (
            f"a = '{json.dumps(_POINT)}'  # type: geojson",
            {"type": "string", "contentMediaType": "application/geo+json", "default": json.dumps(_POINT)},
        ),
    ],
)
def test_an_input_is_a_schema(line: str, expected: dict[str, Any]) -> None:
    assert input_schema(read(line).inputs[0]) == expected


def test_a_schema_accepts_what_a_run_accepts() -> None:
    schemas = {
        one.id: input_schema(one)
        for one in read(f"box = [0, 0, 1, 1]  # type: bbox\naoi = {_POINT}  # type: geojson").inputs
    }

    for name, value in {"box": [1, 2, 3, 4], "aoi": _POINT}.items():
        assert Draft202012Validator(schemas[name]).is_valid(value)
    assert not Draft202012Validator(schemas["box"]).is_valid([1, 2])
    assert not Draft202012Validator(schemas["aoi"]).is_valid({"type": "Circle"})


def test_ogc_describes_a_box_as_the_standard_does() -> None:
    summary = ProcessSummary(id="p", version="1", title="P")
    described = process_description(summary, read("box = [0, 0, 1, 1]  # type: bbox"))["inputs"]["box"]

    assert described["schema"]["format"] == "ogc-bbox"
    assert described["schema"]["properties"]["bbox"]["minItems"] == 4
    assert described["schema"]["default"] == {"bbox": [0, 0, 1, 1]}
    assert "maxOccurs" not in described


@pytest.mark.parametrize(
    ("language", "expected"),
    [
        ("python", '__import__("datetime").date(2020, 1, 31)'),
        ("R", 'as.Date("2020-01-31")'),
        ("julia", "Dates.Date(2020, 1, 31)"),
        ("javascript", 'new Date("2020-01-31")'),
        ("octave", "'2020-01-31'"),
    ],
)
def test_a_date_is_written_in_the_language(language: str, expected: str) -> None:
    translator = find_translator("", language)

    assert translator is not None
    assert translator.literal(date(2020, 1, 31)) == expected


def test_python_s_translator_still_writes_papermill_s_other_values() -> None:
    translator = find_translator("", "python")

    assert translator is not None
    moment = datetime(2020, 1, 31, 12, tzinfo=timezone.utc)
    assert eval(translator.literal({"a": [moment, 'x"\n', None, True, 1.5]})) == {
        "a": [moment, 'x"\n', None, True, 1.5]
    }


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ({"type": "Point", "coordinates": [1]}, "coordinates is not a position"),
        ({"type": "Point", "coordinates": [1, True]}, "coordinates is not a position"),
        ({"type": "Point", "coordinates": [float("nan"), 10**400]}, "coordinates is not a position"),
        ({"type": "LineString", "coordinates": [[1, 2]]}, "a LineString needs 2"),
        ({"type": "Polygon", "coordinates": [[[0, 0], [1, 0], [1, 1], [0, 1]]]}, "is not closed"),
        ({"type": "Feature", "properties": {}}, "geometry is missing"),
        ({"type": "Feature", "geometry": None, "properties": 1}, "properties is not an object"),
        ({"type": "FeatureCollection", "features": [{"type": "Point"}]}, r"features\[0\].type 'Point' is not Feature"),
        ({"type": "GeometryCollection", "geometries": [{"type": "Feature"}]}, "geometries"),
        ([], "type is not one of"),
    ],
)
def test_what_is_not_geojson_is_refused_with_its_place(value: Any, problem: str) -> None:
    with pytest.raises(GeoJsonError, match=problem):
        check_geojson(value)


def test_collections_in_collections_end() -> None:
    value: dict[str, Any] = {"type": "GeometryCollection", "geometries": []}
    for _ in range(2000):
        value = {"type": "GeometryCollection", "geometries": [value]}

    with pytest.raises(GeoJsonError, match="levels"):
        check_geojson(value)
