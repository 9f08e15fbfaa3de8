"""The JSON Schemas of a process's inputs, checked with jsonschema and against what a run accepts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from support import folders, notebook

from generator.notebook.interface import Interface
from generator.notebook.interface_reading import read_interface
from generator.notebook.notebook import read_notebook
from generator.notebook.schemas import input_schema, inputs_schema
from generator.runner.packaged.values import notebook_values
from generator.shared.errors import ParametersError
from generator.shared.failures import BadInputsError

_FILE = {"type": "string", "format": "binary"}


def read(cell: str, *, language: str = "python") -> Interface:
    data = json.dumps(notebook(cell, language=language)).encode()
    return read_interface(read_notebook(data, "process.ipynb"))


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("a = 5  # type: int", {"type": "integer", "default": 5}),
        ("a = 5000000000  # type: int", {"type": "integer", "format": "int64", "default": 5000000000}),
        ("a = 1  # type: float", {"type": "number", "default": 1}),
        ("a: float  # type: double", {"type": "number", "format": "double"}),
        ("a = 'x'", {"type": "string", "default": "x"}),
        ("a = True", {"type": "boolean", "default": True}),
        ("a = None", {}),
        ("a = {'b': (1, 2)}", {"default": {"b": [1, 2]}}),
        ("a = (1, 2)  # type: int[]", {"type": "array", "items": {"type": "integer"}, "default": [1, 2]}),
        ("a: int  # how many", {"type": "integer", "description": "how many"}),
        ("a = ''  # type: secret", {"type": "string", "format": "password", "writeOnly": True}),
        ("a: Literal['x', 'y'] = 'x'", {"type": "string", "enum": ["x", "y"], "default": "x"}),
        ("a: Literal[1, 2] = 2", {"type": "integer", "enum": [1, 2], "default": 2}),
        (
            "a: list[Literal['x']] = ['x']",
            {"type": "array", "items": {"type": "string", "enum": ["x"]}, "default": ["x"]},
        ),
        ("a: Literal[True] = True", {"type": "boolean", "enum": [True], "default": True}),
        ("a: Literal['x', 1, True] = 'x'", {"enum": ["x", 1, "1", True, "True"], "default": "x"}),
        ("a = 'in.csv'  # type: stage-in", {**_FILE, "contentMediaType": "text/csv"}),
        ("a = 'in/'  # type: stage-in", {**_FILE, "contentMediaType": "application/zip"}),
        (
            "a = ['x.tif', 'y.tiff']  # type: stage-in",
            {"type": "array", "items": {**_FILE, "contentMediaType": "image/tiff"}},
        ),
        ("a = 'x.csv'  # type: file", {**_FILE, "contentMediaType": "text/csv"}),
        ("a = None  # type: file?", {**_FILE, "contentMediaType": "application/octet-stream"}),
        (
            "a = [{'class': 'File', 'path': 'b.nc'}]  # type: stage-in",
            {"type": "array", "items": {**_FILE, "contentMediaType": "application/x-netcdf"}},
        ),
    ],
)
def test_an_input_is_a_schema(line: str, expected: dict[str, Any]) -> None:
    assert input_schema(read(line).inputs[0]) == expected


def test_an_infinite_default_which_json_lacks_is_left_out() -> None:
    assert input_schema(read("(define a 1e999)", language="scheme").inputs[0]) == {"type": "number"}


def test_the_inputs_are_an_object_that_allows_nothing_else() -> None:
    interface = read("id: str\nyear = 2020  # type: int\nimage = 'x.tif'  # type: stage-in")

    schema = inputs_schema(interface.inputs)

    assert schema["required"] == ["id_", "image"]
    validator = Draft202012Validator(schema)
    assert validator.is_valid({"id_": "a", "image": "bytes"})
    assert not validator.is_valid({"id_": "a", "image": "bytes", "yaer": 2021})
    assert not validator.is_valid({"image": "bytes"})


def test_without_required_inputs_nothing_is_listed_as_required() -> None:
    assert inputs_schema(read("year = 2020").inputs) == {
        "type": "object",
        "properties": {"year": {"type": "number", "default": 2020}},
        "additionalProperties": False,
    }


@pytest.mark.parametrize("case", folders("interface"), ids=lambda path: path.name)
def test_every_interface_has_a_valid_schema_that_its_own_defaults_satisfy(case: Path) -> None:
    interface = _interface_of(case)
    schema = inputs_schema(interface.inputs)

    Draft202012Validator.check_schema(schema)
    json.dumps(schema, allow_nan=False)
    for name, one in schema["properties"].items():
        if "default" in one:
            Draft202012Validator(one).validate(one["default"])
            notebook_values(
                {name: one["default"]}, Interface(inputs=tuple(i for i in interface.inputs if i.id == name))
            )


def _interface_of(case: Path) -> Interface:
    cell = next(case.glob("cell.*"))
    try:
        return read(cell.read_text(encoding="utf-8")) if cell.suffix == ".py" else Interface()
    except ParametersError:
        return Interface()


@pytest.mark.parametrize(
    "cell", ["a = 1  # type: int", "a = 1", "a = 'x'", "a = True", "a: Literal[1, 'x'] = 1", "a = [1]"]
)
@pytest.mark.parametrize("value", [1, 1.5, "x", "1", True, [1], [1.5], ["x"], {"b": 1}, 2])
def test_what_a_schema_accepts_a_run_accepts(cell: str, value: object) -> None:
    interface = read(cell)

    if Draft202012Validator(inputs_schema(interface.inputs)).is_valid({"a": value}):
        try:
            notebook_values({"a": value}, interface)
        except BadInputsError as error:
            pytest.fail(f"the schema accepts {value!r}, the run does not: {error}")
