"""The OpenAPI document of one notebook: the requests that run it, with its parameters as schemas."""

from __future__ import annotations

from functools import partial
from typing import Any
from urllib.parse import quote

from fastapi import FastAPI

from generator.notebook.interface import Input, Output
from generator.notebook.ogc_description import output_media_type
from generator.notebook.parameters import CwlType, Format
from generator.notebook.schemas import input_media_type, input_schema, inputs_schema, is_file, is_needed, item_schema
from generator.runner.server.api.server_document import part_of_document
from generator.runner.server.catalogue import ServedNotebook
from generator.runner.server.values.file_rules import FileRules
from generator.shared.safe_text import printable

_RUN = "/runs/{run_id}"
_LONGEST_DOC = 10_000
_name = {"type": "string", "description": "the file's name"}
_text_file = {
    "type": "object",
    "properties": {"class": {"const": "File"}, "contents": {"type": "string"}, "basename": _name},
    "required": ["class", "contents"],
    "additionalProperties": False,
}
_bytes: dict[str, Any] = {"type": "string", "contentEncoding": "base64"}
_encoded = {"contents": _bytes, "encoding": {"const": "base64"}, "basename": _name}
_binary_file = {
    "type": "object",
    "properties": {"class": {"const": "File"}, **_encoded},
    "required": ["class", "contents", "encoding"],
    "additionalProperties": False,
}
_packed_folder = {
    "type": "object",
    "description": "a folder as a ZIP archive",
    "properties": {"class": {"const": "Directory"}, **_encoded},
    "required": ["class", "contents", "encoding"],
    "additionalProperties": False,
}
_address = {
    "type": "object",
    "description": "a file that the run fetches",
    "properties": {"class": {"const": "File"}, "location": {"type": "string", "format": "uri"}},
    "required": ["class", "location"],
    "additionalProperties": False,
}


def notebook_document(served: ServedNotebook, app: FastAPI, address: str, rules: FileRules) -> dict[str, Any]:
    """Return the document of a notebook that a server at an address serves."""
    document = part_of_document(app, _RUN, f"{_RUN}/result", f"{_RUN}/notebook", f"{_RUN}/outputs/", address=address)
    start = document["paths"]["/notebooks/{path}/runs"]["post"]
    del document["paths"]["/notebooks/{path}/runs"]
    document["info"] = {"title": served.title, "description": _description(served), "version": "1"}
    operation = {
        **start,
        "operationId": "run",
        "summary": f"Run {served.title}",
        "parameters": [one for one in start.get("parameters", ()) if one["in"] != "path"],
        "requestBody": {"required": any(map(_needed, served.interface.inputs)), "content": _bodies(served, rules)},
    }
    document["paths"] = {f"/notebooks/{quote(served.path)}/runs": {"post": operation}, **document["paths"]}
    return document


def notebook_doc(served: ServedNotebook) -> str:
    """Return the text of the first cell with text."""
    cells = served.notebook.cells if served.notebook else ()
    texts = (cell.source.strip() for cell in cells if cell.kind == "markdown")
    return printable(next((text for text in texts if text), "")[:_LONGEST_DOC], lines=True)


def json_schema_of(one: Input, rules: FileRules) -> dict[str, Any]:
    """Return the schema of an input's value in a request of JSON; null stands for the value in the cell."""
    schema = input_schema(one)
    if is_file(one):
        item: dict[str, Any] = {"anyOf": _file_forms(one, rules)}
        schema = {"type": "array", "items": item} if one.hint.array else item
        if one.doc:
            schema["description"] = one.doc
    if not _needed(one):
        about = {"description": schema.pop("description")} if "description" in schema else {}
        return {"anyOf": [schema, {"type": "null"}], **about}
    return schema


def _file_forms(one: Input, rules: FileRules) -> list[dict[str, Any]]:
    if one.hint.type is CwlType.DIRECTORY:
        return [_packed_folder]
    forms = [_text_file, _binary_file]
    if rules.fetch_urls:
        forms.append(_address)
    if rules.readable:
        patterns = ", ".join(rules.readable)
        forms.append({"type": "string", "description": f"the path of one of the server's files: {patterns}"})
    return forms


def _needed(one: Input) -> bool:
    return is_needed(one, with_files=True)


def _bodies(served: ServedNotebook, rules: FileRules) -> dict[str, Any]:
    inputs = served.interface.inputs
    bodies: dict[str, Any] = {
        "application/json": {
            "schema": inputs_schema(inputs, partial(json_schema_of, rules=rules), with_files=True),
            "example": _example(inputs),
        },
        "multipart/form-data": {
            "schema": inputs_schema(inputs, with_files=True),
            "encoding": {one.id: {"contentType": kind} for one in inputs if (kind := _content_type(one))},
        },
    }
    if not any(is_file(one) and _needed(one) for one in inputs):
        texts = (one for one in inputs if not is_file(one))
        bodies["application/x-www-form-urlencoded"] = {"schema": inputs_schema(texts, with_files=True)}
    return bodies


def _example(inputs: tuple[Input, ...]) -> dict[str, Any]:
    """Return values to start from: the defaults, and something of the type where a value is needed."""
    schemas = {one.id: (one, input_schema(one)) for one in inputs}
    return {
        name: schema["default"] if "default" in schema else _sample(one)
        for name, (one, schema) in schemas.items()
        if "default" in schema or _needed(one)
    }


_samples: dict[Format | None, Any] = {
    Format.DATE: "2020-01-31",
    Format.DATETIME: "2020-01-31T12:00:00Z",
    Format.GEOJSON: {"type": "Point", "coordinates": [-9.1, 38.7]},
}


def _sample(one: Input) -> Any:
    if one.hint.format is Format.BBOX:
        return [-10.5, 36.0, -6.0, 42.2]
    if one.hint.array:
        return []
    if is_file(one):
        return {"class": str(one.hint.type), "contents": ""}
    if "enum" in (schema := item_schema(one)):
        return schema["enum"][0]
    if one.hint.format in _samples:
        return _samples[one.hint.format]
    least = schema.get("minimum", schema.get("maximum"))
    numbers = {"integer": 1 if least is None else least, "number": 1.0 if least is None else least}
    return {**numbers, "boolean": True}.get(schema.get("type", ""), "text")


def _content_type(one: Input) -> str | None:
    """Return how a form has a value; tools write lists in several ways, of which JSON alone is unambiguous."""
    if is_file(one):
        return input_media_type(one)
    return "application/json" if one.hint.array or one.hint.type is CwlType.ANY else None


def _description(served: ServedNotebook) -> str:
    outputs = [_output_line(one) for one in served.interface.outputs]
    listed = "\n".join(["A run writes these files:", "", *outputs]) if outputs else ""
    return "\n\n".join(text for text in (notebook_doc(served), listed) if text)


def _output_line(one: Output) -> str:
    about = f": {one.doc}" if one.doc else ""
    return f"- `{one.glob}` ({output_media_type(one)}){about}"
