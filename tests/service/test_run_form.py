"""The form that runs a package: its fields are the interface, and what comes back is a job."""

from __future__ import annotations

import json
import re
from datetime import date
from html.parser import HTMLParser
from types import SimpleNamespace
from typing import Any

import pytest
from support import notebook

from generator.notebook.interface_json import to_dict
from generator.notebook.interface_reading import read_interface
from generator.notebook.notebook import read_notebook
from generator.service.pages.packages import FormState
from generator.service.pages.rendering import _environment
from generator.service.pages.run_form import fields, not_shown, shown, texts, values

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


class _Browser(HTMLParser):
    """A form that nobody has touched, as a browser sends it (HTML, sections 4.10.5, 4.10.7, 4.10.11 and 4.10.21)."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.sent: dict[str, str] = {}
        self._name, self._text = "", ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        name = given.get("name", "")
        if tag == "input" and given.get("type") not in ("checkbox", "file"):
            self.sent[name] = re.sub(r"[\r\n]", "", given.get("value", ""))
            if given.get("type") == "date" and not _is_date(self.sent[name]):
                self.sent[name] = ""
        elif tag == "option" and (self._name not in self.sent or "selected" in given):
            self.sent[self._name] = given["value"]
        elif tag in ("textarea", "select"):
            self._name, self._text = name, ""

    def handle_data(self, data: str) -> None:
        self._text += data

    def handle_endtag(self, tag: str) -> None:
        if tag == "textarea":
            text = self._text.replace("\r\n", "\n").replace("\r", "\n").removeprefix("\n")
            self.sent[self._name] = text.replace("\n", "\r\n")


def _is_date(text: str) -> bool:
    try:
        return bool(date.fromisoformat(text))
    except ValueError:
        return False


def _untouched(interface: dict[str, Any], run: dict[str, Any] | None = None) -> tuple[dict[str, Any], dict[str, str]]:
    """Return the values and the errors of a form as it is shown, with the values of a run."""
    known = fields(interface)
    state = FormState(given=texts(run or {}, known), asked_again=tuple(not_shown(run or {}, known)))
    who = SimpleNamespace(identity=SimpleNamespace(may_write=True), form_token="", submission="")
    template = _environment().get_template("run_form.html")
    page = template.render(fields=shown(known, state.given), form=state, session=who, path="", home="")
    return values(_Browser(page).sent, known, asked_again=state.asked_again)


_SQL = "\nselect a\n  from b\n"
_DEFAULTS = f"""
whole = 1  # type: int
large = {2**60 + 1}
real = 0.1
infinite = 1e300
flag = False
text = ' a '
query = {_SQL!r}
windows = 'a\\r\\nb'
empty = ''
spaces = '  '
like_json = '[1]'
kind: Literal['a', ' b', 'b  c'] = 'b  c'
other: Literal['a', ' b', 'b  c'] = ' b'
scene = 'data/a.csv'  # type: File
scenes = ['a.csv', 'b.csv']  # type: File[]
folder = 'data'  # type: Directory
day = '2020-01-31'  # type: date
first = 'today-5d'  # type: date
area = [1, 2, 3, 4]  # type: bbox
shape = {{'type': 'Point', 'coordinates': [1, 2]}}  # type: geojson
boxes = [[1, 2], [3, 4]]
box = [[1, 2]]
mixed = ['1', 2, 'two words', True]
anything = []
numbers = [1, 2.5]
flags = [True, False]
separators = [', ', '\\n', '']
parts = ['[1, 2]', '["a"]']
options = {{'a': [1, None], 'b': ' \\n'}}
literal = '5'  # type: any
pair = (1, 2)
"""


@pytest.fixture
def interface() -> Any:
    """An interface with inputs of every type, whose defaults browsers or the form could change."""
    data = json.dumps(notebook(_DEFAULTS)).encode()
    return json.loads(json.dumps(to_dict(read_interface(read_notebook(data, "process.ipynb")))))


def test_a_form_that_nobody_has_touched_has_the_defaults_of_every_type(interface: dict[str, Any]) -> None:
    defaults = {one["name"]: one["default"] for one in interface["inputs"]}
    assert len(defaults) == _DEFAULTS.count(" = ")

    found, wrong = _untouched(interface)

    assert ({**defaults, **found}, wrong) == (defaults, {})


def test_a_repeated_run_has_its_own_values_or_asks_for_them(interface: dict[str, Any]) -> None:
    run = {one["name"]: one.pop("default") for one in interface["inputs"]}
    for one in interface["inputs"]:
        one["optional"] = True

    found, wrong = _untouched(interface, run)

    assert set(wrong) == {"windows", "empty", "spaces", "scene", "scenes", "folder"}
    assert found == {name: value for name, value in run.items() if name not in wrong} | {
        "shape": json.dumps(run["shape"])
    }


@pytest.mark.parametrize(
    ("run", "found", "wrong"),
    [
        ({"bands": [], "title": ""}, {"bands": []}, {"title"}),
        ({"bands": ["c\nd", " "]}, {"bands": ["c\nd", " "]}, set()),
        ({"bands": ["B4"], "title": "map"}, {}, set()),
        ({"day": "today"}, {"day": "today"}, set()),
        ({"flag": "maybe"}, {}, {"flag"}),
        ({"table": {"class": "File", "location": "https://x/a", "format": "b"}}, {}, {"table"}),
        ({"table": [{"href": "https://x/a"}]}, {}, {"table"}),
        ({"table": "https://x/a"}, {"table": {"class": "File", "location": "https://x/a"}}, set()),
        ({"title": None}, {}, set()),
    ],
)
def test_the_form_of_a_repeated_run_shows_no_default_in_place_of_its_value(
    run: dict[str, Any], found: dict[str, Any], wrong: set[str]
) -> None:
    interface = {
        "inputs": [
            {"name": "bands", "type": "string", "array": True, "default": ["B4"]},
            {"name": "title", "type": "string", "default": "map"},
            {"name": "day", "type": "string", "format": "date", "default": "2020-01-31"},
            {"name": "flag", "type": "boolean", "default": True},
        ],
        "stage_in": [{"name": "table", "type": "File"}],
    }

    given = _untouched(interface, run)

    assert (given[0], set(given[1])) == (found, wrong)
