"""The properties of schema.org in a document: who wrote the process, its license, its version (OGC 20-089r1, 7.5)."""

from __future__ import annotations

from typing import Any

from generator.documents.context import DocumentContext
from generator.documents.text import quoted
from generator.metadata.metadata import Metadata, Person, property_of

_PERSONS = {"author": "s:Person", "contributor": "s:Person", "publisher": "s:Organization"}
_TEXTS = (
    "identifier license keywords citation code_repository commit_hash date_created release_notes software_help".split()
)


def about(context: DocumentContext) -> dict[str, Any]:
    """Return the properties by their names with the prefix ``s:``, without those that no source states.

    Both names of the version are in use: the OGC's ``softwareVersion``, and ``version`` on MAAP.
    """
    metadata = context.metadata
    version = quoted(metadata.version)
    properties: dict[str, Any] = {"s:version": version, "s:softwareVersion": version}
    for field, kind in _PERSONS.items():
        if people := getattr(metadata, field):
            properties[f"s:{property_of(field)}"] = [_person(one, kind) for one in people]
    properties |= {f"s:{property_of(field)}": text for field in _TEXTS if (text := _text(metadata, field))}
    properties |= {f"s:{word}": list(value) if isinstance(value, tuple) else value for word, value in metadata.others}
    return properties


def _person(person: Person, kind: str) -> dict[str, str]:
    return {"class": kind, **{f"s:{name}": text for name, text in person.to_dict().items()}}


def _text(metadata: Metadata, field: str) -> Any:
    value = getattr(metadata, field)
    if isinstance(value, tuple):
        return ", ".join(value)  # one line, as MAAP reads it
    return quoted(value) if field == "date_created" and value else value
