"""Describe the inputs of a process as JSON Schema, for OpenAPI documents and OGC process descriptions.

The schemas keep to what JSON Schema 2020-12 (OpenAPI 3.1) and OpenAPI 3.0 (OGC processes) both read: ``type`` is one
word, and files have both OpenAPI 3.0's ``format`` and the media type of JSON Schema. They accept the values that
`generator.notebook.literals.fit` takes without a conversion.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

from generator.notebook import geojson
from generator.notebook.bounds import bounds_to_dict, range_text
from generator.notebook.dates import is_dynamic, utc_text
from generator.notebook.hints import LONGEST_INTEGER
from generator.notebook.interface import Input
from generator.notebook.literals import fit
from generator.notebook.parameters import CwlType, Format, Hint, Literal, Missing
from generator.shared import media_types

_types: dict[CwlType, dict[str, Any]] = {
    CwlType.INT: {"type": "integer"},
    CwlType.LONG: {"type": "integer", "format": "int64"},
    CwlType.FLOAT: {"type": "number"},  # a number without a type is a float too: clients must not round it to 32 bits
    CwlType.DOUBLE: {"type": "number", "format": "double"},
    CwlType.STRING: {"type": "string"},
    CwlType.BOOLEAN: {"type": "boolean"},
    CwlType.ENUM: {"type": "string"},
    CwlType.ANY: {},
}


def inputs_schema(
    inputs: Iterable[Input],
    schema_of: Callable[[Input], dict[str, Any]] | None = None,
    *,
    with_files: bool = False,
) -> dict[str, Any]:
    """Return the schema of an object with the values of a run, by the inputs' ids (`is_needed`).

    ``schema_of`` describes one input (default: `input_schema`).
    """
    listed = tuple(inputs)
    schema: dict[str, Any] = {
        "type": "object",
        "properties": {one.id: (schema_of or input_schema)(one) for one in listed},
        "additionalProperties": False,
    }
    if required := [one.id for one in listed if is_needed(one, with_files=with_files)]:
        schema["required"] = required  # OpenAPI 3.0 does not allow an empty list
    return schema


def input_schema(one: Input) -> dict[str, Any]:
    """Return the schema of one input: type, range, choices, description, and the default if JSON can carry it.

    A file is the bytes of an upload, a folder those of a ZIP archive.
    """
    description = described(one)
    return {**value_schema(one), "description": description} if description else value_schema(one)


def described(one: Input) -> str:
    """Return the description of an input with what its schema does not show: units, ranges of dates, `today`."""
    dynamic = f"Default: {one.default}, when the run starts (UTC)." if _is_dynamic(one) else ""
    return "\n".join(filter(None, (one.doc, range_text(one.hint, one.doc), dynamic)))


def value_schema(one: Input) -> dict[str, Any]:
    """Return the schema of one input without its description."""
    if one.hint.format is Format.BBOX:
        return _with_default(dict(_bbox), one)
    item = item_schema(one)
    schema: dict[str, Any] = {"type": "array", "items": item} if one.hint.array else item
    return _with_default(schema, one)


_bbox: dict[str, Any] = {
    "type": "array",
    "items": {"type": "number", "format": "double"},
    "minItems": 4,
    "maxItems": 6,
}


def _with_default(schema: dict[str, Any], one: Input) -> dict[str, Any]:
    default = _default(one)
    return schema if isinstance(default, Missing) else {**schema, "default": default}


def is_needed(one: Input, *, with_files: bool = False) -> bool:
    """Check whether a run must give an input; ``with_files`` if it finds the files of the author's own defaults."""
    return one.required and not (with_files and not isinstance(one.default, Missing))


def is_file(one: Input) -> bool:
    """Check whether the value is a file, a folder, or a list of these."""
    return one.hint.type in (CwlType.FILE, CwlType.DIRECTORY)


def item_schema(one: Input) -> dict[str, Any]:
    """Return the schema of an input's value, or of one item if the value is a list."""
    hint = one.hint
    if is_file(one):
        return {"type": "string", "format": "binary", "contentMediaType": input_media_type(one)}
    if hint.format is Format.GEOJSON:
        return _geojson(one)
    schema = dict(_types[hint.type])
    if hint.format in (Format.DATE, Format.DATETIME):
        schema["format"] = str(hint.format)
    else:
        schema |= {name: value for name, value in bounds_to_dict(hint).items() if name != "step"}
    if hint.symbols:
        schema["enum"] = _choices(hint)
    if hint.secret:
        schema |= {"format": "password", "writeOnly": True}
    return schema


def _geojson(one: Input) -> dict[str, Any]:
    """Return the schema of GeoJSON in the form of the default: a text, or an object."""
    defaults = one.default if isinstance(one.default, list | tuple) else (one.default,)
    if defaults and all(isinstance(default, str) for default in defaults):
        return {"type": "string", "contentMediaType": geojson.media_type}
    kind = {"type": "string", "enum": list(geojson.types)}
    return {
        "type": "object",
        "properties": {"type": kind},
        "required": ["type"],
        "contentMediaType": geojson.media_type,
    }


def _is_dynamic(one: Input) -> bool:
    return one.hint.format in (Format.DATE, Format.DATETIME) and is_dynamic(one.default)


def _default(one: Input) -> Literal | Missing:
    """Return the default as JSON; UNSET for an author's path, numbers that JSON lacks, and words such as `today`."""
    if isinstance(one.default, Missing) or is_file(one) or not _is_finite(one.default) or _is_dynamic(one):
        return Missing.UNSET
    value = _as_json(one.default)
    return _with_offsets(value) if one.hint.format is Format.DATETIME else value


def _with_offsets(value: Literal) -> Literal:
    """Return times with the offset that the format ``date-time`` requires."""
    if isinstance(value, list | tuple):
        return [_with_offsets(item) for item in value]
    return utc_text(value) if isinstance(value, str) else value


def input_media_type(one: Input) -> str:
    """Return the media type of a file, by the extension of the author's own, and of a folder as it is sent."""
    if one.hint.type is CwlType.DIRECTORY:
        return "application/zip"
    if one.hint.format is Format.GEOJSON:
        return geojson.media_type
    found = {media_types.media_type(path) for path in _paths(one.default)}
    return found.pop() if len(found) == 1 else media_types.unknown


def _paths(default: Literal | Missing) -> list[str]:
    if isinstance(default, list | tuple):
        return [path for item in default for path in _paths(item)]
    if isinstance(default, dict):
        return _paths(default.get("path") or default.get("location"))
    return [default] if isinstance(default, str) else []


def _choices(hint: Hint) -> list[Literal]:
    """Return the choices as values; those of several types stand as text too, which the run also accepts."""
    if hint.type is not CwlType.ANY:
        item = replace(hint, array=False, symbols=())
        return list(hint.symbols) if hint.type is CwlType.ENUM else [fit(symbol, item) for symbol in hint.symbols]
    listed: list[Literal] = []
    for symbol in hint.symbols:
        listed += [_constant(symbol), symbol] if _constant(symbol) is not None else [symbol]
    return listed


def _constant(symbol: str) -> Literal:
    """Return the number or the boolean that a choice is as text, else None."""
    if symbol in ("True", "False"):
        return symbol == "True"
    is_number = len(symbol) <= LONGEST_INTEGER and symbol.removeprefix("-").isdecimal()
    return int(symbol) if is_number else None


def _is_finite(value: Literal) -> bool:
    if isinstance(value, list | tuple):
        return all(map(_is_finite, value))
    if isinstance(value, dict):
        return all(map(_is_finite, value.values()))
    return not isinstance(value, float) or math.isfinite(value)


def _as_json(value: Literal) -> Literal:
    """Return a value with lists in place of tuples."""
    if isinstance(value, list | tuple):
        return [_as_json(item) for item in value]
    return {key: _as_json(item) for key, item in value.items()} if isinstance(value, dict) else value
