"""The parameters of a job type of HySDS: the fields of its form, and where each value goes.

The form is described in ``hysds-io.json``, the job in ``job-spec.json`` (``schemas`` of
https://github.com/hysds/hysds_commons).
"""

from __future__ import annotations

from typing import Any

from generator.notebook.interface import Input, label
from generator.notebook.schemas import is_file, is_needed, value_schema

_TYPES = {"integer": "number", "number": "number", "boolean": "boolean", "array": "object"}
"""The type of a field for each type of JSON Schema; a value of any other type is a text."""
_FORMATS = {"date": "date", "date-time": "datetime"}


def form_field(one: Input) -> dict[str, Any]:
    """Return the entry of an input in ``hysds-io.json``; ``optional`` is for fields that may stay empty."""
    schema = {} if is_file(one) else value_schema(one)
    field: dict[str, Any] = {"name": one.id, "from": "submitter", "type": _field_type(one, schema)}
    field["placeholder"] = label(one.name)
    if one.doc:
        field["description"] = one.doc
    if field["type"] == "enum":
        field["enumerables"] = list(one.hint.symbols)
    default = schema.get("default")
    if default is not None:
        field["default"] = default if field["type"] == "object" else _text(default)
    elif not is_needed(one):
        field["optional"] = True
    return field


def destination(one: Input) -> dict[str, str]:
    """Return the entry of an input in ``job-spec.json``: HySDS fetches files, other values are in the job's context."""
    return {"name": one.id, "destination": "localize" if is_file(one) else "context"}


def _field_type(one: Input, schema: dict[str, Any]) -> str:
    if one.hint.array or isinstance(schema.get("default"), dict):
        return "object"
    if one.hint.symbols:
        return "enum"
    return _FORMATS.get(str(schema.get("format"))) or _TYPES.get(str(schema.get("type")), "text")


def _text(default: Any) -> str:
    """Return a default as HySDS parses it from a form: always as text."""
    return str(default).lower() if isinstance(default, bool) else str(default)
