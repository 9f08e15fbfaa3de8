"""The inputs of a process as Airflow's ``Param``: JSON Schema that Airflow's trigger form shows with a fitting field.

The form takes the first type other than null. For an emptied field it sends null, or refuses it without null among the
types (Airflow 3.3). Airflow stores and shows params as they are, so secrets are Variables.
"""

from __future__ import annotations

from typing import Any

from generator.notebook.interface import Input
from generator.notebook.parameters import CwlType, Role
from generator.notebook.schemas import described, is_file, value_schema

_ANYTHING = ["null", "string", "number", "boolean", "array", "object"]
"""The types of a value of any type: the form has a text field for JSON. An object gets an editor without types."""


_RANGE = tuple(
    "minimum maximum exclusiveMinimum exclusiveMaximum minLength maxLength minItems maxItems".split(),
)
"""The keywords of JSON Schema that limit a value."""


def param(one: Input) -> dict[str, Any]:
    """Return the arguments of an input's ``Param``; without ``default``, a run must give the value."""
    schema = _file_schema(one) if is_file(one) else value_schema(one)
    kind, default = schema.get("type"), schema.get("default")
    may_be_null = not is_needed(one) and (default in (None, "") or one.hint.optional or kind == "array")
    arguments: dict[str, Any] = {} if is_needed(one) else {"default": default}
    if kind is not None:
        arguments["type"] = ["null", kind] if may_be_null else kind
    elif not isinstance(default, dict) and "enum" not in schema:
        arguments["type"] = _ANYTHING
    if choices := schema.get("enum"):
        arguments["enum"] = [*choices, None] if may_be_null else choices
    arguments |= {name: schema[name] for name in _RANGE if name in schema}
    if kind == "array":
        arguments |= _items(schema["items"])
    if schema.get("format") in ("date", "date-time"):
        arguments["format"] = schema["format"]
    if kind == "string" and "\n" in str(default):
        arguments["format"] = "multiline"
    if doc := _description(one):
        arguments["description"] = doc
    return arguments


def is_needed(one: Input) -> bool:
    """Whether a run must give a value; an empty list of files is a default that exists on every machine."""
    return one.required and one.default != []


def emptied(one: Input) -> Any:
    """Return the value that a field of the form stands for if its user emptied it; None for 'not given'."""
    arguments = param(one)
    default = arguments.get("default")
    if one.hint.optional or "null" not in arguments.get("type", ()):
        return None
    return [] if isinstance(default, list) else "" if default == "" else None


def has_whole_numbers(one: Input) -> bool:
    """Whether the process expects integers, which Airflow also accepts as 3.0."""
    defaults = one.default if isinstance(one.default, list | tuple) else [one.default]
    are_whole = bool(defaults) and all(type(item) is int for item in defaults)
    return one.hint.type in (CwlType.INT, CwlType.LONG) or (not one.typed and are_whole)


def _file_schema(one: Input) -> dict[str, Any]:
    """Return the schema of a path; the author's own path, which exists on the author's machine, is left out."""
    path: dict[str, Any] = {"type": "string"}
    if not one.hint.array:
        return path
    return {"type": "array", "items": path, **({"default": []} if one.default == [] else {})}


def _items(schema: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments for the items of a list; ``examples`` are the choices that the form offers."""
    items = {key: value for key, value in schema.items() if key in ("type", "enum")}
    choices = {"examples": items["enum"]} if "enum" in items else {}
    return {"items": items or {"type": _ANYTHING}, **choices}


def _description(one: Input) -> str:
    """Return the input's own description, and how to give a file."""
    if not is_file(one):
        return described(one)
    kind = "folder" if one.hint.type is CwlType.DIRECTORY else "file"
    place = "in the data folder" + (", or a URL" if one.hint.role is Role.STAGE_IN else "")
    many = "paths of {}s, one a line, " if one.hint.array else "path of a {} "
    path = many.format(kind) + place
    return f"{one.doc} ({path})" if one.doc else path
