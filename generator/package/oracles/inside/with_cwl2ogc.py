"""The inputs and outputs that ``cwl2ogc`` reads from a document (https://pypi.org/project/cwl2ogc/).

``judge`` compares them with ``processDescription.json`` in the same folder. cwl2ogc loses parts of a schema: defaults
that are false, zero or empty, and the items of arrays of unions; it counts an input with a default as required. So only
names, types and choices are compared.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from cwl2ogc import BaseCWLtypes2OGCConverter
from cwl_utils.parser import load_document_by_uri


def judge(path: str) -> tuple[list[str], list[str]]:
    """Return differences in the names, types and choices of inputs and outputs."""
    found = load_document_by_uri(Path(path).as_uri(), load_all=True)
    processes = found if isinstance(found, list) else [found]
    converter = BaseCWLtypes2OGCConverter(next(one for one in processes if one.class_ == "Workflow"))
    description = json.loads(Path(path).with_name("processDescription.json").read_text(encoding="utf-8"))
    faults: list[str] = []
    for kind, read in (("inputs", converter.get_inputs()), ("outputs", converter.get_outputs())):
        faults += _differences(kind, read, description.get(kind, {}))
    return faults, []


def _differences(kind: str, read: Mapping[str, Any], described: Mapping[str, Any]) -> Iterator[str]:
    for name in sorted(read.keys() ^ described.keys()):
        yield f"{kind}/{name}: only in {'the CWL document' if name in read else 'processDescription.json'}"
    for name in sorted(read.keys() & described.keys()):
        theirs = _shape(read[name]["schema"])
        ours = _shape(_schema(described[name]), choices="enum" in str(theirs))
        if theirs and ours != theirs:
            yield f"{kind}/{name}: {ours} in processDescription.json, {theirs} in the CWL document"


def _schema(described: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the schema of an input; for files and folders, a repeated input is a list in cwl2ogc."""
    return {"type": "array"} if described.get("maxOccurs") == "unbounded" else described.get("schema", {})


def _shape(schema: Mapping[str, Any], *, choices: bool = True) -> dict[str, Any]:
    """Return type, choices and items of a schema; empty for files, folders, unions, and values of any type.

    Without ``choices``, these are left out: CWL has no enum with a slash in a symbol, and no list of enums.
    """
    kept = {key: schema[key] for key in ("type", *(["enum"] if choices else [])) if key in schema}
    items = _shape(schema["items"], choices=choices) if isinstance(schema.get("items"), dict) else {}
    return {**kept, "items": items} if items else kept
