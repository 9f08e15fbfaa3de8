"""The properties of schema.org in ``application.cwl``, as objects where platforms require objects.

They are those of the other documents (`generator.documents.cwl.about`): persons and organizations, and license and
documentation as creative works, which the metadata profile of eoap-validator requires. Nothing is added that no source
states, apart from the address of the repository in place of documentation.
"""

from __future__ import annotations

import re
from typing import Any

from ruamel.yaml.scalarstring import PlainScalarString

from generator.documents.context import DocumentContext
from generator.documents.cwl.about import about
from generator.documents.text import prose
from generator.metadata.licenses import license_address
from generator.metadata.metadata import Person


def platform_metadata(context: DocumentContext) -> dict[str, Any]:
    """Return the properties by their names with the prefix ``s:``."""
    metadata = context.metadata
    properties = about(context)
    # MAAP's API reads the version with a pattern and keeps quotes as a part of it
    version = _plain_text(metadata.version)
    properties |= {"s:version": version, "s:softwareVersion": version}
    properties |= {"s:name": context.title, "s:description": prose(context.doc)}
    for name in ("author", "contributor"):
        if people := getattr(metadata, name):
            properties[f"s:{name}"] = [_person(one) for one in people]
    if metadata.publisher:
        properties["s:publisher"] = _organization(metadata.publisher[0].name, metadata.publisher[0])
    if metadata.license:
        properties["s:license"] = _license(metadata.license)
    help_ = metadata.software_help or metadata.code_repository
    if re.match(r"https?://", help_):
        properties["s:softwareHelp"] = {"class": "s:CreativeWork", "s:name": "documentation", "s:url": help_}
    return properties


def _plain_text(version: str) -> Any:
    """Return a version such as ``1.2.3`` or ``main``, which YAML reads as text without quotes, as it is."""
    return PlainScalarString(version) if re.fullmatch(r"(?a:\d+\.\d+\.\d[\w.+-]*)", version) else version


def _person(person: Person) -> dict[str, Any]:
    parts: dict[str, Any] = {f"s:{name}": text for name, text in person.to_dict().items()}
    if person.affiliation:
        parts["s:affiliation"] = _organization(person.affiliation)
    return {"class": "s:Person", **parts}


def _organization(name: str, more: Person | None = None) -> dict[str, Any]:
    email = {"s:email": more.email} if more and more.email else {}
    identifier = {"s:identifier": more.identifier} if more and more.identifier else {}
    return {"class": "s:Organization", "s:name": name, **email, **identifier}


def _license(text: str) -> dict[str, Any]:
    """Return a license by its name, with the address of its text if it is one license of the SPDX list."""
    address = license_address(text)
    return {"class": "s:CreativeWork", "s:name": text, **({"s:url": address} if address else {})}
