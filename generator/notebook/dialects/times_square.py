"""Times Square: a YAML file next to the notebook describes the parameters, each with a JSON Schema.

Times Square replaces the first code cell, which has the defaults, by the values. A run assigns them in a cell after it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from typing import Any

from generator.notebook.dates import is_dynamic
from generator.notebook.dialects.dialect import Dialect
from generator.notebook.dialects.literal_hints import fits, schema_limits, with_limits
from generator.notebook.languages import python
from generator.notebook.notebook import Cell, Notebook
from generator.notebook.parameters import CwlType, Format, Hint, Literal, Missing, Parameter, Reading, Remark
from generator.notebook.placement import Placement
from generator.shared.safe_text import printable
from generator.shared.yaml_limits import check_events
from generator.shared.yaml_problems import unfit_values

_types = {
    "string": CwlType.STRING,
    "integer": CwlType.INT,
    "number": CwlType.FLOAT,
    "boolean": CwlType.BOOLEAN,
}
_formats = {"date": Format.DATE, "date-time": Format.DATETIME}


def read(notebook: Notebook, text: str) -> Dialect | None:
    """Read the parameters in the text of the file; None if it does not have any."""
    described, remarks = _parameters(text)
    first = next((cell for cell in notebook.cells if cell.kind == "code"), None)
    if not described or first is None:
        return None
    known = _defaults(first)
    parameters = tuple(_parameter(name, schema, known) for name, schema in described.items())
    if any("{{" in cell.source and "params." in cell.source for cell in notebook.cells if cell.kind == "markdown"):
        message = "a run does not fill in the templates in the text, such as {{ params.name }}"
        remarks.append(Remark(line=0, message=message))
    return Dialect(
        name="Times Square's YAML file next to the notebook",
        reading=Reading(parameters=parameters, remarks=tuple(remarks)),
        placement=Placement(after=first.number),
    )


def _parameters(text: str) -> tuple[dict[str, Mapping[str, Any]], list[Remark]]:
    """Return the schemas by the names of variables, and what is not used.

    A file without schemas describes something else.
    """
    import yaml

    try:
        check_events(yaml.parse(text))
        if any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(text)):  # aliases can repeat a lot of text
            return {}, []
        document = yaml.load(text, Loader=yaml.BaseLoader)  # noqa: S506 - all scalars stay text
        found = _schemas(document, yaml.safe_load(text))
    except (yaml.YAMLError, *unfit_values, RecursionError):
        return {}, []
    return (found, _unused(document, found)) if found else ({}, [])


def _schemas(document: Any, typed: Any) -> dict[str, Mapping[str, Any]]:
    """Pair the names of variables, as they are written, with the schemas in the document with types.

    Raises:
        ValueError: two names are the same in YAML, such as ``yes`` and ``true``.
        TypeError, LookupError: the document with types is not a mapping of mappings.
    """
    listed = document.get("parameters") if isinstance(document, dict) else None
    if not isinstance(listed, dict) or "<<" in listed or not all(isinstance(one, dict) for one in listed.values()):
        return {}  # a merge (<<) changes the order, too
    pairs = zip(listed.items(), typed["parameters"].values(), strict=True)
    return {
        name: {**schema, "text": texts.get("default")}
        for (name, texts), schema in pairs
        if isinstance(name, str) and name.isidentifier()
    }


def _unused(document: Mapping[Any, Any], found: Mapping[str, Mapping[str, Any]]) -> list[Remark]:
    """Name the parts of the file that a package has in another place, or not at all."""
    messages = []
    if others := [printable(str(key)) for key in document if key != "parameters"]:
        message = f"of Times Square's file, {', '.join(others)} are not used; a cell tagged 'metadata' states metadata"
        messages.append(message)
    strange = [printable(str(name)) for name in document["parameters"] if name not in found]
    messages += [f"{one!r} in Times Square's file is not the name of a variable; it is ignored" for one in strange]
    for name, schema in found.items():
        word = schema.get("dynamic_default")
        if word is not None and _dynamic(schema, _hint(schema)) is None:
            shown = f"{name}: the dynamic default {printable(str(word))!r} is not used"
            messages.append(f"{shown}; dates can have today, yesterday, tomorrow, and shifts such as -7d")
    return [Remark(line=0, message=message) for message in messages]


def _parameter(name: str, schema: Mapping[str, Any], known: Mapping[str, Parameter]) -> Parameter:
    hint = _hint(schema)
    default: Literal | Missing = Missing.COMPUTED
    if "default" in schema:
        is_text = hint is not None and hint.type in (CwlType.STRING, CwlType.ENUM) and not hint.array
        default = schema["text"] if is_text else _plain(schema["default"])
    elif name in known:
        default = known[name].default
    default = _dynamic(schema, hint) or default
    if hint is not None and hint.format is not None and not fits(hint, default):
        hint = replace(hint, format=None)
    line = known[name].line if name in known else 0
    doc = " ".join(_texts(schema, "description"))
    limited = with_limits(hint, default, **schema_limits(schema, hint)) if hint else None
    return Parameter(name=name, line=line, text=f"{name}: {default}", default=default, hint=limited, doc=doc)


def _plain(value: Any) -> Literal | Missing:
    """Return a default as JSON has it, a date in it as text; one with another value of YAML counts as computed."""
    try:
        plain: Literal = json.loads(json.dumps(value, default=_date_text))
    except TypeError:
        return Missing.COMPUTED
    return plain


def _date_text(value: object) -> str:
    if isinstance(value, date):
        return value.isoformat()
    raise TypeError


def _dynamic(schema: Mapping[str, Any], hint: Hint | None) -> str | None:
    """Return a ``dynamic_default`` such as ``yesterday`` or ``-7d`` in packmill's words; None for other ones."""
    text = schema.get("dynamic_default")
    if not isinstance(text, str) or hint is None or hint.format is None:
        return None
    shift = re.fullmatch(r"([+-]\d{1,5})([dwmy])", text.strip())
    word = f"today{shift[1]}{'mo' if shift[2] == 'm' else shift[2]}" if shift else text.strip()
    return word if is_dynamic(word) and not word.startswith("now") else None


def _hint(schema: Mapping[str, Any]) -> Hint | None:
    """Return the type of a schema; None for one that only the default gives."""
    kinds = schema.get("type")
    listed = [kind for kind in (kinds if isinstance(kinds, list) else [kinds]) if isinstance(kind, str)]
    optional = "null" in listed
    named = [kind for kind in listed if kind != "null"]
    if named == ["array"] and isinstance(schema.get("items"), dict):
        item = _hint(schema["items"])
        return replace(item, array=True, optional=optional) if item and not item.array else None
    choices = schema.get("enum")
    if isinstance(choices, list) and choices and all(isinstance(one, str) for one in choices):
        return Hint(type=CwlType.ENUM, symbols=tuple(dict.fromkeys(choices)), optional=optional)
    if len(named) != 1 or named[0] not in _types:
        return None
    form = _formats.get(schema["format"]) if isinstance(schema.get("format"), str) and named == ["string"] else None
    return Hint(type=_types[named[0]], optional=optional, format=form)


def _texts(schema: Mapping[str, Any], key: str) -> list[str]:
    return [schema[key].strip()] if isinstance(schema.get(key), str) else []


def _defaults(cell: Cell) -> dict[str, Parameter]:
    """Return the literals that the first code cell assigns."""
    return {one.name: one for one in python.read(cell.source).parameters}
