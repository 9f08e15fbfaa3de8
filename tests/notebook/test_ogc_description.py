"""Process descriptions of OGC API - Processes, read by the client that is generated from OGC's own API definition."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from ogc_api_processes_client.models.process import Process
from ogc_api_processes_client.models.schema_one_of import SchemaOneOf
from support import folders, notebook

from generator.notebook.interface import Interface
from generator.notebook.interface_reading import read_interface
from generator.notebook.notebook import read_notebook
from generator.notebook.ogc_description import ProcessSummary, process_description, with_boolean_ends
from generator.notebook.schemas import inputs_schema
from generator.shared.errors import ParametersError

_SUMMARY = ProcessSummary(id="trees", version="1", title="Trees", description="Counts trees.", keywords=("forest",))
_KNOWN = {field.alias or name for name, field in SchemaOneOf.model_fields.items()}


def read(cell: str) -> Interface:
    return read_interface(read_notebook(json.dumps(notebook(cell)).encode(), "process.ipynb"))


def describe(cell: str) -> dict[str, Any]:
    return process_description(_SUMMARY, read(cell))


def test_a_description_has_the_summary_the_inputs_and_the_outputs() -> None:
    found = describe("year = 2020  # type: int  the first year\nimage = 'a.png'  # type: stage-out  a map")

    assert found["id"] == "trees"
    assert found["version"] == "1"
    assert found["keywords"] == ["forest"]
    assert found["jobControlOptions"] == ["sync-execute", "async-execute", "dismiss"]
    assert found["inputs"] == {
        "year": {
            "title": "year",
            "description": "the first year",
            "schema": {"type": "integer", "default": 2020},
            "minOccurs": 0,
        }
    }
    assert list(found["outputs"]) == ["image", "output_nb", "scraps", "scrap_files"]
    assert found["outputs"]["image"] == {
        "title": "image",
        "description": "a map",
        "schema": {
            "type": "string",
            "format": "binary",
            "contentMediaType": "image/png",
            "contentEncoding": "binary",
        },
    }


@pytest.mark.parametrize(
    ("line", "occurs"),
    [
        ("a: int", {"minOccurs": 1}),
        ("a = 1  # type: int", {"minOccurs": 0}),
        ("a = None  # type: int?", {"minOccurs": 0}),
        ("a: int[]", {"minOccurs": 1}),
        ("a = 'x.tif'  # type: stage-in", {"minOccurs": 1}),
        ("a = ['x.tif']  # type: stage-in", {"minOccurs": 1, "maxOccurs": "unbounded"}),
    ],
)
def test_how_often_an_input_occurs(line: str, occurs: dict[str, Any]) -> None:
    found = describe(line.replace("a: int[]", "a: list[int]"))["inputs"]["a"]

    assert {key: found[key] for key in ("minOccurs", "maxOccurs") if key in found} == occurs


def test_a_run_next_to_the_author_s_files_need_not_give_them() -> None:
    interface = read("a = 'x.tif'  # type: stage-in\nb: str")
    found = process_description(_SUMMARY, interface, with_files=True)["inputs"]

    assert (found["a"]["minOccurs"], found["b"]["minOccurs"]) == (0, 1)
    assert inputs_schema(interface.inputs, with_files=True)["required"] == ["b"]


def test_a_list_of_files_is_a_repeated_file_and_a_list_of_values_an_array() -> None:
    found = describe("files = ['x.tif']  # type: stage-in\nbands = ['red']")["inputs"]

    assert found["files"]["schema"]["type"] == "string"
    assert found["bands"]["schema"] == {"type": "array", "items": {"type": "string"}, "default": ["red"]}


def test_an_optional_input_may_be_null_and_a_secret_is_not_shown() -> None:
    found = describe("a = None  # type: int?\nkey = ''  # type: secret")["inputs"]

    assert found["a"]["schema"] == {"type": "integer", "nullable": True}
    assert found["key"]["schema"] == {"type": "string", "format": "password", "writeOnly": True, "nullable": True}


def test_an_excluded_end_is_a_boolean_as_in_openapi_3_0() -> None:
    schema = {"type": "array", "items": {"type": "number", "exclusiveMinimum": 0, "maximum": 1}}

    assert with_boolean_ends(schema) == {
        "type": "array",
        "items": {"type": "number", "minimum": 0, "exclusiveMinimum": True, "maximum": 1},
    }


def test_outputs_of_several_files_and_of_folders() -> None:
    found = describe("tables = '*.csv'  # type: stage-out\nmaps = 'maps/'  # type: stage-out")["outputs"]

    assert found["tables"]["schema"]["type"] == "array"
    assert found["tables"]["schema"]["items"]["contentMediaType"] == "text/csv"
    assert found["maps"]["schema"]["contentMediaType"] == "application/zip"


def test_a_script_has_no_outputs_of_notebooks() -> None:
    assert process_description(_SUMMARY, Interface(), is_notebook=False)["outputs"] == {}


@pytest.mark.parametrize("case", folders("interface"), ids=lambda path: path.name)
def test_every_interface_fits_the_published_schemas(case: Path) -> None:
    found = process_description(_SUMMARY, _interface_of(case))

    parsed = Process.from_json(json.dumps(found))

    assert parsed is not None
    assert set(parsed.inputs or {}) == set(found["inputs"])
    for entry in (*found["inputs"].values(), *found["outputs"].values()):
        assert set(entry["schema"]) <= _KNOWN
        assert set(entry["schema"].get("items", {})) <= _KNOWN


def _interface_of(case: Path) -> Interface:
    cell = next(case.glob("cell.*"))
    try:
        return read(cell.read_text(encoding="utf-8")) if cell.suffix == ".py" else Interface()
    except ParametersError:
        return Interface()
