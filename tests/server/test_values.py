"""Values as callers send them: texts of queries and forms, and JSON."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import parse_qsl

import pytest
from support import notebook

from generator.notebook.interface import Interface
from generator.notebook.interface_reading import read_interface
from generator.notebook.notebook import read_notebook
from generator.runner.server.values.strict_json import read_json
from generator.runner.server.values.texts import typed_values


def interface_of(cell: str) -> Interface:
    return read_interface(read_notebook(json.dumps(notebook(cell)).encode(), "n.ipynb"))


@pytest.mark.parametrize(
    ("declaration", "query", "value"),
    [
        ("x: int = 1", "x=5", 5),
        ("x: int = 1", "x=-5", -5),
        ("x: int = 1", "x=five", "five"),
        ("x: int = 1", "x=1&x=2", [1, 2]),
        ("x: int | None = None", "x=", None),
        ("x: int | None = None", "x=null", None),
        ("x = 1.5", "x=2", 2),
        ("x = 1.5", "x=2.5e3", 2500.0),
        ("x = 1.5", "x=nan", "nan"),
        ("x: bool = False", "x=true", True),
        ("x: bool = False", "x=on", True),
        ("x: bool = True", "x=0", False),
        ("x: bool = True", "x=maybe", "maybe"),
        ("x = 'a'", "x=5", "5"),
        ("x = 'a'", "x=", ""),
        ("x = 'a'", "x=null", "null"),
        ("x = 'a'", "x=2026-01-02T03:04:05Z", "2026-01-02T03:04:05Z"),
        ("x: str | None = None", "x=null", "null"),
        ("x: str | None = None", "x=", None),
        ("x: Literal['a', 'b'] = 'a'", "x=b", "b"),
        ("x: Literal[1, 2] = 1", "x=2", 2),
        ("x: list[int] = [1]", "x=1&x=2", [1, 2]),
        ("x: list[int] = [1]", "x=7", [7]),
        ("x: list[int] = [1]", "x=[1,2]", [1, 2]),
        ("x: list[int] = [1]", "x=", []),
        ("x: list[int] = [1]", "x=1,2", ["1,2"]),
        ("x: list[str] = ['a']", "x=[a&x=b", ["[a", "b"]),
        ("x: list[str] = ['a']", "x=[broken", ["[broken"]),
        ("x: list[bool] = []", "x=yes&x=false", [True, False]),
        ("x: dict = {}", 'x={"a":[1]}', {"a": [1]}),
        ("x: dict = {}", 'x={"a":NaN}', '{"a":NaN}'),
        ("x: dict = {}", "x=2026-01-02", "2026-01-02"),
        ("x: object = 1", "x=True", True),
        ("password = ''  # type: secret", "password=123", "123"),
        ("x = 'a.csv'  # type: stage-in", "x=", None),
        ("x = 'a.csv'  # type: stage-in", "x=b.csv", "b.csv"),
        ("x = 'a.csv'  # type: stage-in", 'x={"class":"File","contents":"a"}', {"class": "File", "contents": "a"}),
    ],
)
def test_texts_become_values_of_the_interface(declaration: str, query: str, value: Any) -> None:
    name = query.partition("=")[0]
    pairs = parse_qsl(query, keep_blank_values=True)

    values = typed_values(interface_of(f"from typing import Literal\n{declaration}"), pairs)

    assert values == {name: value}
    assert type(values[name]) is type(value)


def test_a_parameter_is_known_by_its_id_and_its_name() -> None:
    interface = interface_of("id: int = 1")

    assert typed_values(interface, [("id", "5")]) == typed_values(interface, [("id_", "5")]) == {"id_": 5}


def test_unknown_names_stay_for_the_check() -> None:
    assert typed_values(interface_of("x: int = 1"), [("z", "5")]) == {"z": "5"}


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ('{"a": 1, "a": 2}', "'a' is given twice"),
        ("NaN", "NaN is not JSON"),
        ("[-Infinity]", "-Infinity is not JSON"),
        ("1e999", "too large"),
        ("9" * 2000, "more than 1000 digits"),
        ('"\\ud800"', "half of a surrogate pair"),
        ('{"\\udfff": 1}', "half of a surrogate pair"),
        ("[" * 101 + "]" * 101, "more than 100 levels"),
        ("[" * 200_000, "more than 100 levels"),
        (b"\xff", "not text in UTF-8"),
        ("1 2", "Extra data"),
        ("", "Expecting value"),
    ],
)
def test_json_that_other_readers_refuse_is_refused(text: str | bytes, what: str) -> None:
    with pytest.raises(ValueError, match=what):
        read_json(text)


def test_json_is_read_as_it_is() -> None:
    assert read_json(b'{"a": [1, 2.5, "\\ud83d\\ude00", null, true], "b": {}}') == {
        "a": [1, 2.5, "😀", None, True],
        "b": {},
    }
