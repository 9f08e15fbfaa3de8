"""The people, organizations and the license of a crate."""

from __future__ import annotations

import re
from collections.abc import Iterable

from generator.crates.graph import Graph, Reference
from generator.metadata.licenses import spdx_expression
from generator.metadata.metadata import Person

_NO_LICENSE = "NOASSERTION"
"""SPDX's word for a license that nothing states; a Workflow RO-Crate requires some license."""


def add_people(graph: Graph, role: str, people: Iterable[Person]) -> list[Reference]:
    """Add the authors, contributors or publishers; publishers are organizations."""
    return [_add_person(graph, f"#{role}-{number}", one, role) for number, one in enumerate(people, start=1)]


def _add_person(graph: Graph, identifier: str, one: Person, role: str) -> Reference:
    affiliation = (
        graph.add(f"{identifier}-affiliation", "Organization", name=one.affiliation) if one.affiliation else None
    )
    address = _address(one.identifier)
    return graph.add(
        address or identifier,
        "Organization" if role == "publisher" else "Person",
        name=one.name,
        givenName=one.given_name,
        familyName=one.family_name,
        email=one.email,
        identifier=one.identifier if not address else None,
        affiliation=affiliation,
    )


def _address(identifier: str) -> str:
    """Return the address of a person's identifier, such as an ORCID; empty for other identifiers."""
    if re.fullmatch(r"(?a:(\d{4}-){3}\d{3}[\dX])", identifier):
        return f"https://orcid.org/{identifier}"
    return identifier if re.fullmatch(r"https?://[^\s<>\"{}|\\^`]+", identifier) else ""


def add_license(graph: Graph, license_: str) -> Reference | str:
    """Add the license: an SPDX identifier or an address as an entity, anything else as text."""
    is_identifier = re.fullmatch(r"(?a:[\w.+-]+)", license_) and spdx_expression(license_) == license_
    if is_identifier and not license_.startswith("LicenseRef-"):
        return graph.add(f"https://spdx.org/licenses/{license_}", "CreativeWork", name=license_, identifier=license_)
    if address := _address(license_):
        return graph.add(address, "CreativeWork", name="license")
    return license_ or _NO_LICENSE
