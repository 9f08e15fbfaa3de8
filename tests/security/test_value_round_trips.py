"""Any value of any interface arrives as it was given: document, cwltool, input object, injected cell, interpreter."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Mapping, Sequence
from decimal import Decimal
from math import isfinite
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import interpreters
from hypothesis import HealthCheck, Phase, given, settings
from round_trips import SIMPLE_DEFAULTS, Trip, inputs_files, python_cell, trips
from support import notebook

from generator.notebook.interface import Interface
from generator.notebook.interface_reading import read_interface
from generator.notebook.languages import comment_mark
from generator.notebook.notebook import read_notebook
from generator.notebook.parameters import Missing
from generator.runner.document.injection import find_translator
from generator.runner.packaged.values import notebook_values
from generator.shared import contract

_DOCUMENTS = int(os.environ.get("PACKMILL_ROUND_TRIPS", "7"))
_PARAMETERS, _RUNS = 30, 10
"""Parameters and runs of a document: 7 documents give 2,100 values, each in every language."""
_INTERPRETERS: Mapping[str, interpreters.Evaluate] = {
    "javascript": interpreters.node,
    "bash": interpreters.shell("bash"),
    "zsh": interpreters.shell("zsh"),
    "octave": interpreters.octave,
    "gnuplot": interpreters.gnuplot,
}
_PROGRAMS = {"javascript": "node"}
_READ = ("r", "julia", "lua", "scheme", "powershell", "typescript")
"""Languages whose injected cells packmill's own readers read: the machine need not have their interpreters."""
_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_OWN_INTEGERS = ("julia", "scheme", "lua", "gnuplot", "powershell")
"""Languages in which a float parameter has to get a float."""


@settings(
    max_examples=_DOCUMENTS,
    derandomize="PACKMILL_ROUND_TRIPS" not in os.environ,
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.generate],
)
@given(trips(parameters=_PARAMETERS, runs=_RUNS))
def test_a_value_arrives_as_it_was_given_in_every_language(parameters: list[Trip]) -> None:
    runs = [{one.name: one.values[run] for one in parameters} for run in range(_RUNS)]
    with TemporaryDirectory() as temporary:
        folder = Path(temporary)
        interface, contents = inputs_files(python_cell(parameters), runs, folder)
        inputs = [json.loads(text) for text in contents]
        assert [one.pop(contract.template_input) for one in inputs] == [None] * _RUNS
        given = [notebook_values(one, interface) for one in inputs]
        found = interpreters.python([(_cell("python", values), values) for values in given], folder)
        assert list(map(_exact, found)) == list(map(_exact, runs))
        for language in (*_READ, *_INTERPRETERS):
            _check_language(language, parameters, interface, inputs, folder)


def _exact(value: Any) -> str:
    """A value with its types; an object of JSON has no order, and cwltool sorts it."""
    return json.dumps(value, sort_keys=True)


def _check_language(
    language: str, parameters: Sequence[Trip], interface: Interface, inputs: Sequence[Mapping[str, Any]], folder: Path
) -> None:
    chosen = [one for one in parameters if _has_type(language, one.hint) and _is_free(language, one.name)]
    own = _interface(language, chosen)
    assert [(one.id, one.hint) for one in own.inputs] == [
        (one.id, one.hint) for one in interface.inputs if one.name in {trip.name for trip in chosen}
    ]
    ids = {one.id for one in own.inputs}
    cells = []
    for values in inputs:
        fitting = {name: value for name, value in values.items() if name in ids}
        given = notebook_values(fitting, own, language=language)
        written = {name: value for name, value in given.items() if _is_writable(language, value)}
        cells.append((_cell(language, written), written))
    evaluate = _INTERPRETERS.get(language)
    if evaluate:
        if not shutil.which(_PROGRAMS.get(language, language)):
            return
        for (_, written), found in zip(cells, evaluate(cells, folder), strict=True):
            assert {name: _in_language(language, value) for name, value in found.items()} == {
                name: _in_language(language, value) for name, value in written.items()
            }, language
    else:
        _check_reading(language, cells, {one.name: one.hint for one in chosen})


def _check_reading(language: str, cells: Sequence[tuple[str, Mapping[str, Any]]], hints: Mapping[str, str]) -> None:
    for (_, written), found in zip(cells, interpreters.reader(language)(cells, Path()), strict=True):
        assert found.keys() == written.keys()
        for name, value in written.items():
            if found[name] is Missing.COMPUTED:
                assert _may_be_computed(language, value), (language, value)
                continue
            assert _in_language(language, found[name]) == _in_language(language, value), language
            if language in _OWN_INTEGERS and hints[name] in ("float", "double"):
                assert isinstance(found[name], float) or abs(value) >= 2**53, (language, value)


def _has_type(language: str, hint: str) -> bool:
    return not (language == "gnuplot" and hint.startswith("bool"))


def _is_free(language: str, name: str) -> bool:
    return not (language == "zsh" and name == "path")  # the list of zsh's own PATH


def _interface(language: str, parameters: Sequence[Trip]) -> Interface:
    """The interface of a notebook in a language, with a simple default for each parameter."""
    lines = (
        f"{_cell(language, {one.name: SIMPLE_DEFAULTS[one.hint]}).strip().splitlines()[-1]}  "
        f"{comment_mark(language)} type: {one.hint}"
        for one in parameters
    )
    data = json.dumps(notebook("\n".join(lines), language=language)).encode()
    return read_interface(read_notebook(data, "process.ipynb"))


def _cell(language: str, values: Mapping[str, Any]) -> str:
    translator = find_translator("", language)
    assert translator is not None
    return translator.cell(values)


def _is_writable(language: str, value: Any) -> bool:
    try:
        _cell(language, {"x": value})
    except NotImplementedError:
        return False
    return True


def _in_language(language: str, value: Any) -> Any:
    """A value as far as the language can tell it from others."""
    if language in ("bash", "zsh") and isinstance(value, float) and isfinite(value):
        text = format(Decimal(repr(value)), "f")  # without an exponent
        return ("text", text if "." in text or language == "bash" else f"{text}.0")
    if language in ("bash", "zsh") and not isinstance(value, list | tuple | dict | str):
        return ("text", "" if value is None else str(value).lower())
    if language in ("r", "lua", "scheme") and value in ({}, (), []):
        return None if language == "scheme" else []
    if isinstance(value, dict):
        return {key: _in_language(language, item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        items = [_in_language(language, item) for item in value]
        is_number = len(items) == 1 and isinstance(items[0], str | bool | int)  # texts are tuples here
        return items[0] if language == "octave" and is_number else items  # a matrix of one number is a number
    if language in ("octave", "gnuplot") and value is None:
        return "nan"
    if language == "gnuplot" and isinstance(value, bool):
        return repr(float(value))
    if isinstance(value, bool) or not isinstance(value, int | float):
        return ("text", value) if isinstance(value, str) else value
    return repr(float(value)) if isinstance(value, float) or float(value) == value else value


def _may_be_computed(language: str, value: Any) -> bool:
    """Whether the reader need not read a value: lists and dictionaries in each other, long integers, and calls."""
    return any(
        isinstance(one, list | dict)
        or one is None
        or (isinstance(one, int) and abs(one) > 2**53)
        or (isinstance(one, str) and language == "powershell" and _CONTROLS.search(one))
        for one in (value if isinstance(value, list) else [value])
    )
