"""Describe a process for OGC API - Processes (18-062r2, "OGC Process Description").

The standard's schema of schemas is OpenAPI 3.0's, with the media type and the encoding of binary values.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from generator.notebook.interface import Input, Interface, Output, label
from generator.notebook.parameters import CwlType, Format
from generator.notebook.schemas import described, is_file, is_needed, item_schema, value_schema
from generator.shared import media_types

notebook_output = "output_nb"
scraps_output = "scraps"
scrap_files_output = "scrap_files"
crs84 = (
    "http://www.opengis.net/def/crs/OGC/1.3/CRS84",
    "http://www.opengis.net/def/crs/OGC/0/CRS84h",
)
"""The reference systems of a bounding box in degrees, longitude first, without and with heights."""
folder_media_type = "application/zip"
"""How the standard's outputs, which are single values, carry a folder."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ProcessSummary:
    """What a list of processes has of one of them (``processSummary.yaml``)."""

    id: str
    version: str
    title: str
    description: str = ""
    keywords: tuple[str, ...] = ()
    job_control_options: tuple[str, ...] = ("sync-execute", "async-execute", "dismiss")
    output_transmission: tuple[str, ...] = ("value", "reference")

    def to_dict(self) -> dict[str, Any]:
        """Return the summary as JSON."""
        description = {"description": self.description} if self.description else {}
        keywords = {"keywords": list(self.keywords)} if self.keywords else {}
        return {
            "id": self.id,
            "version": self.version,
            "title": self.title,
            **description,
            **keywords,
            "jobControlOptions": list(self.job_control_options),
            "outputTransmission": list(self.output_transmission),
        }


def process_description(
    summary: ProcessSummary, interface: Interface, *, is_notebook: bool = True, with_files: bool = False
) -> dict[str, Any]:
    """Return the description of a process (``process.yaml``).

    Args:
        summary: what a list of processes has of it.
        interface: its inputs and outputs.
        is_notebook: add the outputs that every notebook has.
        with_files: a run finds the files of the author's own defaults, so that it need not give them.
    """
    outputs = {one.id: _output(one) for one in interface.outputs}
    return {
        **summary.to_dict(),
        "inputs": {one.id: _input(one, with_files=with_files) for one in interface.inputs},
        "outputs": {**outputs, **_notebook_outputs()} if is_notebook else outputs,
    }


def output_media_type(one: Output) -> str:
    """Return the media type of an output, or of its items if it has several files."""
    return folder_media_type if one.type is CwlType.DIRECTORY else media_types.media_type(one.glob)


def _input(one: Input, *, with_files: bool) -> dict[str, Any]:
    """Return an input; a list of files is a repeated input, because each may be a link or have its own media type."""
    description: dict[str, Any] = {"title": label(one.name)}
    if doc := described(one):
        description["description"] = doc
    description["schema"] = _input_schema(one)
    if one.hint.optional:
        description["schema"]["nullable"] = True
    description["minOccurs"] = int(is_needed(one, with_files=with_files))
    if is_file(one) and one.hint.array:
        description["maxOccurs"] = "unbounded"
    return description


def _input_schema(one: Input) -> dict[str, Any]:
    if is_file(one):
        return _binary(item_schema(one))
    schema = value_schema(one)
    if one.hint.format is Format.BBOX:
        return bbox_schema(schema)
    return with_boolean_ends(schema)


def with_boolean_ends(schema: dict[str, Any]) -> dict[str, Any]:
    """Return a schema of OpenAPI 3.0, where an end that is excluded is a minimum or a maximum with a boolean."""
    found = dict(schema)
    if isinstance(found.get("items"), dict):
        found["items"] = with_boolean_ends(found["items"])
    for word, name in (("exclusiveMinimum", "minimum"), ("exclusiveMaximum", "maximum")):
        if word in found:
            found |= {name: found[word], word: True}
    return found


def bbox_schema(box: dict[str, Any]) -> dict[str, Any]:
    """Return the standard's schema of a bounding box (``bbox.yaml``, format ``ogc-bbox``), an object with the list."""
    default = {"default": {"bbox": box["default"]}} if "default" in box else {}
    numbers = {key: value for key, value in box.items() if key != "default"}
    crs = {"type": "string", "format": "uri", "enum": list(crs84), "default": crs84[0]}
    return {
        "type": "object",
        "format": "ogc-bbox",
        "required": ["bbox"],
        "properties": {"bbox": numbers, "crs": crs},
        **default,
    }


def _output(one: Output) -> dict[str, Any]:
    item = _binary({"type": "string", "format": "binary", "contentMediaType": output_media_type(one)})
    schema = {"type": "array", "items": item} if one.array else item
    return _described(label(one.name), schema, doc=one.doc)


def _notebook_outputs() -> dict[str, Any]:
    file = _binary({"type": "string", "format": "binary", "contentMediaType": media_types.unknown})
    return {
        notebook_output: _described("executed notebook", _json_file(media_types.media_type("x.ipynb"))),
        scraps_output: _described("results that the notebook glued", _json_file("application/json")),
        scrap_files_output: _described("figures and tables that the notebook glued", {"type": "array", "items": file}),
    }


def _described(title: str, schema: dict[str, Any], *, doc: str = "") -> dict[str, Any]:
    return {"title": title, **({"description": doc} if doc else {}), "schema": schema}


def _json_file(media_type: str) -> dict[str, Any]:
    return {"type": "object", "contentMediaType": media_type}


def _binary(schema: dict[str, Any]) -> dict[str, Any]:
    return {**schema, "contentEncoding": "binary"}
