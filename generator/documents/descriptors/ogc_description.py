"""The process description of ``application.cwl``: the inputs and the output of its workflow, and its metadata."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from typing import Any

from generator.documents.context import DocumentContext
from generator.metadata.licenses import license_address
from generator.metadata.metadata import Metadata, property_of
from generator.notebook import geojson
from generator.notebook.interface import Input
from generator.notebook.ogc_description import ProcessSummary, with_boolean_ends
from generator.notebook.parameters import CwlType, Format
from generator.notebook.schemas import is_file, item_schema, value_schema

REPOSITORY_RELATION = "https://schema.org/codeRepository"
"""The relation of the link to the repository, by which a deployment recognizes its own process."""
_SCHEMA_ORG = "https://schema.org/"
"""The vocabulary of relations and roles that are not registered."""
_STATED = ("citation", "commit_hash", "date_created", "release_notes")
_FOLDER = {"oneOf": [{"type": "string", "format": "uri"}, {"type": "object", "contentMediaType": "application/json"}]}
"""A folder on a platform: the address of a STAC catalog, collection or item, or the STAC object itself."""


def describe_process(context: DocumentContext, document: dict[str, Any]) -> dict[str, Any]:
    """Return the description (OGC 18-062r2, ``process.yaml``) of the workflow in ``application.cwl``."""
    metadata = context.metadata
    workflow = next(one for one in document["$graph"] if one["class"] == "Workflow")
    summary = ProcessSummary(
        id=workflow["id"],
        version=metadata.version,
        title=context.title,
        description=context.doc,
        keywords=metadata.keywords,
        job_control_options=("async-execute",),
        output_transmission=("reference",),
    )
    known = {one.id: one for one in context.process.interface.inputs}
    return {
        **summary.to_dict(),
        "metadata": list(_roles(metadata)),
        "links": list(_links(metadata)),
        "inputs": {name: _input(entry, known.get(name)) for name, entry in workflow["inputs"].items()},
        "outputs": {name: {**_texts(entry), "schema": _FOLDER} for name, entry in workflow["outputs"].items()},
    }


def is_finite(value: Any) -> bool:
    """Check whether JSON has all numbers in a value: it lacks NaN and infinite ones."""
    if isinstance(value, dict):
        return all(map(is_finite, value.values()))
    if isinstance(value, list):
        return all(map(is_finite, value))
    return not isinstance(value, float) or math.isfinite(value)


def _input(entry: dict[str, Any], one: Input | None) -> dict[str, Any]:
    """Return the description of an input of the workflow; ``one`` is that of the notebook, None for the runner's own.

    A list of files or folders is a repeated input, because each may be a link. An input with a default, or one that may
    be null, need not be given. The default of a repeated input is an empty list, which is not a value of its schema.
    """
    kind, may_be_null = _kind(entry["type"])
    repeated = {"maxOccurs": "unbounded"} if kind in ("File[]", "Directory[]") else {}
    schema: dict[str, Any] = _schema(one, kind.removesuffix("[]")) if one else {"type": kind}
    default = _default(entry, one)
    if default is not None and is_finite(default) and not repeated:
        schema["default"] = default
    if may_be_null:
        schema["nullable"] = True
    needed = not may_be_null and entry.get("default") is None
    return {**_texts(entry), "schema": schema, "minOccurs": int(needed), **repeated}


def _kind(cwl_type: Any) -> tuple[str, bool]:
    """Return the name of a CWL type, and whether it admits null; an enum is a mapping, or in a list with null."""
    if isinstance(cwl_type, str):
        return cwl_type.removesuffix("?"), cwl_type.endswith("?")
    return str(CwlType.ENUM), isinstance(cwl_type, list)


def _schema(one: Input, kind: str) -> dict[str, Any]:
    """Return the schema of an input whose type in the CWL is ``kind``, without its default."""
    if kind == CwlType.DIRECTORY:
        return dict(_FOLDER)
    if is_file(one):
        return {**item_schema(one), "contentEncoding": "binary"}
    if one.hint.type is CwlType.ANY:
        return {"type": "string", "contentMediaType": "application/json"}
    if one.hint.format is Format.GEOJSON:
        text = {"type": "string", "contentMediaType": geojson.media_type}
        return {"type": "array", "items": text} if one.hint.array else text
    return with_boolean_ends({name: value for name, value in value_schema(one).items() if name != "default"})


def _default(entry: dict[str, Any], one: Input | None) -> Any:
    """Return the default of the CWL as its schema has it: a time has an offset, and ``today`` is not a date."""
    if one is not None and one.hint.format in (Format.DATE, Format.DATETIME):
        return value_schema(one).get("default")
    return entry.get("default")


def _texts(entry: dict[str, Any]) -> dict[str, str]:
    return {"title": str(entry["label"]), "description": str(entry["doc"]).strip()}


def _roles(metadata: Metadata) -> Iterator[dict[str, str]]:
    """Yield what is known besides title, description, keywords and version, by its role in schema.org."""
    for field in ("author", "contributor", "publisher"):
        yield from (_role(field, one.name) for one in getattr(metadata, field))
    yield from (_role(field, text) for field in _STATED if (text := getattr(metadata, field)))


def _role(field: str, text: str) -> dict[str, str]:
    return {"role": f"{_SCHEMA_ORG}{property_of(field)}", "title": text}


def _links(metadata: Metadata) -> Iterator[dict[str, str]]:
    """Yield the addresses among the metadata; ``license`` and ``help`` are registered relations (RFC 4946, HTML)."""
    if address := license_address(metadata.license):
        yield {"href": address, "rel": "license", "title": metadata.license}
    if _is_web_address(metadata.software_help):
        yield {"href": metadata.software_help, "rel": "help", "title": "documentation"}
    if _is_web_address(metadata.code_repository):
        yield {"href": metadata.code_repository, "rel": REPOSITORY_RELATION, "title": "repository"}


def _is_web_address(text: str) -> bool:
    return re.fullmatch(r"https?://\S+", text) is not None
