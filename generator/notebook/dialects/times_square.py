"""Times Square: a YAML file next to the notebook describes the parameters, each with a JSON Schema.

Times Square replaces the first code cell, which has the defaults, by the values. A run assigns them in a cell after it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from generator.notebook.dialects.dialect import Dialect
from generator.notebook.languages import python
from generator.notebook.notebook import Cell, Notebook
from generator.notebook.parameters import CwlType, Hint, Literal, Missing, Parameter, Reading, Remark
from generator.notebook.placement import Placement

_types = {
    "string": CwlType.STRING,
    "integer": CwlType.INT,
    "number": CwlType.FLOAT,
    "boolean": CwlType.BOOLEAN,
}


def read(notebook: Notebook, text: str) -> Dialect | None:
    """Read the parameters in the text of the file; None if it does not have any."""
    described = _parameters(text)
    first = next((cell for cell in notebook.cells if cell.kind == "code"), None)
    if not described or first is None:
        return None
    known = _defaults(first)
    parameters = tuple(_parameter(name, schema, known) for name, schema in described.items())
    remarks = []
    if any("{{" in cell.source and "params." in cell.source for cell in notebook.cells if cell.kind == "markdown"):
        message = "a run does not fill in the templates in the text, such as {{ params.name }}"
        remarks.append(Remark(line=0, message=message))
    return Dialect(
        name="Times Square's YAML file next to the notebook",
        reading=Reading(parameters=parameters, remarks=tuple(remarks)),
        placement=Placement(after=first.number),
    )


def _parameters(text: str) -> dict[str, Mapping[str, Any]]:
    """Return the schemas by the names of variables; a file without them describes something else."""
    import yaml

    try:
        if any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(text)):  # aliases can repeat a lot of text
            return {}
        document = yaml.load(text, Loader=yaml.BaseLoader)  # noqa: S506 - all scalars stay text
        typed = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError):
        return {}
    listed = document.get("parameters") if isinstance(document, dict) else None
    if not isinstance(listed, dict) or not all(isinstance(one, dict) for one in listed.values()):
        return {}
    schemas = zip(listed.items(), typed["parameters"].values(), strict=True)
    return {
        str(name): {**schema, "text": texts.get("default")}
        for (name, texts), schema in schemas
        if isinstance(name, str) and name.isidentifier()
    }


def _parameter(name: str, schema: Mapping[str, Any], known: Mapping[str, Parameter]) -> Parameter:
    hint = _hint(schema)
    default: Literal | Missing = Missing.COMPUTED
    if "default" in schema:
        is_text = hint is not None and hint.type in (CwlType.STRING, CwlType.ENUM) and not hint.array
        default = schema["text"] if is_text else schema["default"]
    elif name in known:
        default = known[name].default
    line = known[name].line if name in known else 0
    doc = " ".join([*_texts(schema, "description"), *_limits(schema)])
    return Parameter(name=name, line=line, text=f"{name}: {default}", default=default, hint=hint, doc=doc)


def _hint(schema: Mapping[str, Any]) -> Hint | None:
    """Return the type of a schema; None for one that only the default gives."""
    kinds = schema.get("type")
    listed = [kind for kind in (kinds if isinstance(kinds, list) else [kinds]) if isinstance(kind, str)]
    optional = "null" in listed
    named = [kind for kind in listed if kind != "null"]
    if named == ["array"] and isinstance(schema.get("items"), dict):
        item = _hint(schema["items"])
        return Hint(type=item.type, array=True, optional=optional) if item and not item.array else None
    choices = schema.get("enum")
    if isinstance(choices, list) and choices and all(isinstance(one, str) for one in choices):
        return Hint(type=CwlType.ENUM, symbols=tuple(dict.fromkeys(choices)), optional=optional)
    return Hint(type=_types[named[0]], optional=optional) if len(named) == 1 and named[0] in _types else None


def _limits(schema: Mapping[str, Any]) -> list[str]:
    words = (("minimum", "from"), ("exclusiveMinimum", "above"), ("maximum", "to"), ("exclusiveMaximum", "below"))
    return [f"{word} {schema[key]}" for key, word in words if isinstance(schema.get(key), int | float)]


def _texts(schema: Mapping[str, Any], key: str) -> list[str]:
    return [schema[key].strip()] if isinstance(schema.get(key), str) else []


def _defaults(cell: Cell) -> dict[str, Parameter]:
    """Return the literals that the first code cell assigns."""
    return {one.name: one for one in python.read(cell.source).parameters}
