"""The form that runs a package: its fields are the interface, and what comes back is a job."""

from __future__ import annotations

from typing import Any

import pytest

from generator.service.pages.run_form import fields, texts, values

_INTERFACE = {
    "inputs": [
        {"name": "n", "type": "int", "array": False, "optional": False, "default": 3, "symbols": [], "secret": False},
        {
            "name": "x",
            "type": "float",
            "array": False,
            "optional": False,
            "symbols": [],
            "secret": False,
            "doc": "size",
        },
        {"name": "id", "type": "string", "array": False, "optional": True, "symbols": [], "secret": False},
        {"name": "flag", "type": "boolean", "array": False, "optional": False, "default": True, "symbols": []},
        {"name": "kind", "type": "enum", "array": False, "optional": False, "default": "a", "symbols": ["a", "b"]},
        {"name": "many", "type": "int", "array": True, "optional": False, "default": [1, 2], "symbols": []},
        {"name": "any", "type": "Any", "array": False, "optional": True, "symbols": []},
        {"name": "key", "type": "string", "array": False, "optional": True, "symbols": [], "secret": True},
    ],
    "stage_in": [{"name": "table", "type": "File[]", "doc": ""}],
}


def _values(**given: str) -> tuple[dict[str, Any], dict[str, str]]:
    return values({f"input-{name}": text for name, text in {"x": "1.5", **given}.items()}, fields(_INTERFACE))


def test_each_type_has_its_control_and_shows_its_default() -> None:
    shown = {field.name: (field.control, field.default, field.required) for field in fields(_INTERFACE)}

    assert shown == {
        "n": ("number", "3", False),
        "x": ("number", "", True),
        "id": ("text", "", False),
        "flag": ("select", "true", False),
        "kind": ("select", "a", False),
        "many": ("lines", "1\n2", False),
        "any": ("json", "", False),
        "key": ("password", "", False),
        "table": ("lines", "", False),
    }


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, {"x": 1.5}),
        ({"n": "7"}, {"x": 1.5, "n": 7}),
        ({"n": str(-(2**31))}, {"x": 1.5, "n": -(2**31)}),
        ({"x": "nan"}, {"x": "nan"}),
        ({"x": "-.inf"}, {"x": "-.inf"}),
        ({"id_": "text as it is "}, {"x": 1.5, "id_": "text as it is "}),
        ({"flag": "false"}, {"x": 1.5, "flag": False}),
        ({"many": "3\r\n4\n\n"}, {"x": 1.5, "many": [3, 4]}),
        ({"any": '{"a": [1]}'}, {"x": 1.5, "any": {"a": [1]}}),
        ({"any": "just words"}, {"x": 1.5, "any": "just words"}),
        ({"table": "https://x/a.csv"}, {"x": 1.5, "table": [{"class": "File", "location": "https://x/a.csv"}]}),
        ({"key": "sesame"}, {"x": 1.5, "key": "sesame"}),
    ],
)
def test_values_come_back_as_their_types(given: dict[str, str], expected: dict[str, Any]) -> None:
    found = _values(**given)
    assert found == (expected, {})
    again = texts(found[0], fields(_INTERFACE))
    assert values(again, fields(_INTERFACE))[0] == {name: one for name, one in expected.items() if name != "key"}


@pytest.mark.parametrize(
    ("given", "wrong"),
    [
        ({"x": ""}, {"x": "a value is required"}),
        ({"n": "2.5"}, {"n": "2.5 is not a whole number"}),
        ({"x": "1e999"}, {"x": "1e999 is too large for a number"}),
        ({"n": "inf"}, {"n": "inf is not a whole number"}),
        ({"n": str(2**31)}, {"n": f"{2**31} is too large for a whole number of 32 bits"}),
        ({"n": "9" * 400}, {"n": f"{'9' * 400} is too large for a whole number of 32 bits"}),
        ({"kind": "c"}, {"kind": "c is not one of a, b"}),
        ({"table": "/etc/passwd"}, {"table": "/etc/passwd is not an http or https URL"}),
        ({"table": "file:///etc/passwd"}, {"table": "file:///etc/passwd is not an http or https URL"}),
    ],
)
def test_what_does_not_fit_is_told_at_its_field(given: dict[str, str], wrong: dict[str, str]) -> None:
    assert _values(**given)[1] == wrong
