"""The parameters of a job type of HySDS: the fields of its form, and where each value goes.

The form is described in ``hysds-io.json``, the job in ``job-spec.json`` (``schemas`` of
https://github.com/hysds/hysds_commons). The values are those of ``application.cwl``, which the job runs.
"""

from __future__ import annotations

from typing import Any

from generator.documents.cwl.platform_inputs import platform_input, platform_type
from generator.notebook.interface import Input
from generator.notebook.parameters import CwlType
from generator.notebook.schemas import is_file, is_needed, value_schema

_TYPES = {"int": "number", "long": "number", "float": "number", "double": "number", "boolean": "boolean"}
"""The type of a field for each type of CWL; a value of any other type is a text."""
_FORMATS = {"date": "date", "date-time": "datetime"}


def form_field(one: Input) -> dict[str, Any]:
    """Return the entry of an input in ``hysds-io.json``; ``optional`` is for fields that may stay empty."""
    entry = platform_input(one)
    default = entry.get("default")
    kind = _field_type(one, default)
    field: dict[str, Any] = {"name": one.id, "from": "submitter", "type": kind, "placeholder": entry["label"]}
    if (doc := str(entry.get("doc", "")).strip()) != entry["label"]:
        field["description"] = doc
    if kind == "enum":
        field["enumerables"] = list(one.hint.symbols)
    if default is not None:
        field["default"] = default if kind == "object" else _text(default)
    elif not is_needed(one):
        field["optional"] = True
    return field


def destination(one: Input) -> dict[str, str]:
    """Return the entry of an input in ``job-spec.json``: HySDS fetches files, other values are in the job's context."""
    return {"name": one.id, "destination": "localize" if is_file(one) else "context"}


def _field_type(one: Input, default: Any) -> str:
    """Return the type of a field; one for dates cannot show a default such as ``today-5d``."""
    kind = platform_type(one)
    if kind.endswith("[]"):
        return "object"
    if one.hint.symbols:
        return "enum"
    stated = {} if is_file(one) or one.hint.type is CwlType.ANY else value_schema(one)
    is_date = default is None or str(default)[:1].isdigit()
    return (_FORMATS.get(str(stated.get("format"))) if is_date else None) or _TYPES.get(kind, "text")


def _text(default: Any) -> str:
    """Return a default as HySDS parses it from a form: always as text."""
    return str(default).lower() if isinstance(default, bool) else str(default)
