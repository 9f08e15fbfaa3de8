"""The inputs and outputs of a CWL document as formal parameters (Bioschemas' FormalParameter, RO-Crate 1.1)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from generator.crates.graph import Graph, Reference, file_identifier, reference

_PROFILE = "https://bioschemas.org/profiles/FormalParameter/1.0-RELEASE"
_TYPES = {
    "boolean": "Boolean",
    "int": "Integer",
    "long": "Integer",
    "float": "Float",
    "double": "Float",
    "string": "Text",
    "enum": "Text",
    "File": "File",
    "Directory": "Dataset",
}
"""The types of schema.org for those of CWL, as runcrate has them; any other value is a PropertyValue."""


def parameter_identifier(document: str, name: str) -> str:
    """Return the identifier of an input or output of a document: its address in CWL."""
    return f"{file_identifier(document)}#{quote(name)}"


def add_parameter(graph: Graph, document: str, name: str, entry: Mapping[str, Any], *, is_input: bool) -> Reference:
    """Add an input or output, from its entry in the document."""
    members = _members(entry.get("type", "Any"))
    named = list(dict.fromkeys(kind for member in members if (kind := _type_name(member))))
    is_required = is_input and "null" not in members and "default" not in entry
    return graph.add(
        parameter_identifier(document, name),
        "FormalParameter",
        conformsTo=reference(_PROFILE),
        name=name,
        alternateName=str(entry.get("label", "")),
        description=str(entry.get("doc", "")).strip(),
        additionalType=named[0] if len(named) == 1 else named or "PropertyValue",
        multipleValues=True if any(map(_is_list, members)) else None,
        valueRequired=is_required if is_input else None,
        defaultValue=_text(entry["default"]) if "default" in entry else None,
    )


def add_example(graph: Graph, document: str, name: str, identifier: str, *, is_declared: bool) -> None:
    """Link the data of a run with the parameter that it was, both ways; parameters have to be in the graph later."""
    if is_declared:
        parameter = graph.add(parameter_identifier(document, name), "FormalParameter")
        graph.link(identifier, "exampleOfWork", parameter)
        graph.link(parameter["@id"], "workExample", reference(identifier))


def _members(kind: Any) -> list[Any]:
    """Return the members of a type: ``string?`` is a union with null, as ``[null, string]`` is."""
    listed = kind if isinstance(kind, list) else [kind]
    members: list[Any] = []
    for one in listed:
        if isinstance(one, str) and one.endswith("?"):
            members += ["null", one[:-1]]
        else:
            members.append(one)
    return members


def _type_name(member: Any) -> str | None:
    if isinstance(member, Mapping):
        kind = str(member.get("type", ""))
        return _type_name(member.get("items")) if kind == "array" else _TYPES.get(kind, "PropertyValue")
    if member == "null":
        return None
    return _TYPES.get(str(member).removesuffix("[]"), "PropertyValue")


def _is_list(member: Any) -> bool:
    return (isinstance(member, str) and member.endswith("[]")) or (
        isinstance(member, Mapping) and member.get("type") == "array"
    )


def _text(default: Any) -> str:
    return default if isinstance(default, str) else json.dumps(default, ensure_ascii=False)
