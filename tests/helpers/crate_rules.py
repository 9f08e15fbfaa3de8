"""The rules that a crate must obey, as the profiles of roc-validator 0.13 require them.

roc-validator itself needs the network, or a cache that it filled from there (``--offline --cache-path``).
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import unquote

CRATE = "https://w3id.org/ro/crate/1.1"
WORKFLOW_CRATE = "https://w3id.org/workflowhub/workflow-ro-crate/1.0"
RUN_PROFILES = (
    "https://w3id.org/ro/wfrun/process/0.5",
    "https://w3id.org/ro/wfrun/workflow/0.5",
    WORKFLOW_CRATE,
)
_DATA = {"File", "Dataset", "PropertyValue", "Collection"}


def entities(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the entities of a crate by their identifiers."""
    return {one["@id"]: one for one in document["@graph"]}


def types(entity: dict[str, Any]) -> set[str]:
    """Return the types of an entity."""
    kinds = entity["@type"]
    return set(kinds) if isinstance(kinds, list) else {kinds}


def links(entity: dict[str, Any], name: str) -> list[str]:
    """Return the identifiers that a property links to."""
    value = entity.get(name, [])
    return [one["@id"] for one in (value if isinstance(value, list) else [value]) if isinstance(one, dict)]


def broken_rules(document: dict[str, Any], folder: Path | None = None) -> list[str]:
    """Return the broken rules of RO-Crate 1.1 and of Workflow RO-Crate 1.0; ``folder`` has the crate's files."""
    return [*_graph_rules(document), *_workflow_rules(document), *(_file_rules(document, folder) if folder else ())]


def broken_run_rules(document: dict[str, Any]) -> Iterator[str]:
    """Yield the broken rules of Process Run Crate and Workflow Run Crate 0.5."""
    known = entities(document)
    main = links(known["./"], "mainEntity")[0]
    actions = [one for one in known.values() if "CreateAction" in types(one)]
    if not any(main in links(action, "instrument") for action in actions):
        yield "no action has the main workflow as its instrument"
    if not set(RUN_PROFILES) <= set(links(known["./"], "conformsTo")):
        yield "the root does not name the profiles"
    for action in actions:
        for one in (*links(action, "object"), *links(action, "result")):
            if not types(known[one]) & _DATA:
                yield f"{one}: not data"
    for one in known.values():
        if "FormalParameter" in types(one):
            for example in links(one, "workExample"):
                if not types(known[example]) & _DATA or one["@id"] not in links(known[example], "exampleOfWork"):
                    yield f"{example}: not an example of {one['@id']}"


def _graph_rules(document: dict[str, Any]) -> Iterator[str]:
    known = entities(document)
    if len(known) != len(document["@graph"]):
        yield "an identifier is given twice"
    descriptor, root = known["ro-crate-metadata.json"], known["./"]
    if descriptor["@type"] != "CreativeWork" or links(descriptor, "about") != ["./"]:
        yield "the descriptor is not about the crate"
    if not {CRATE, WORKFLOW_CRATE} <= set(links(descriptor, "conformsTo")):
        yield "the descriptor does not name the profiles"
    if root["@type"] != "Dataset" or not {"name", "description", "datePublished", "license"} <= root.keys():
        yield "the root lacks a property"
    datetime.fromisoformat(root["datePublished"].replace("Z", "+00:00"))
    for one in known.values():
        for name, value in one.items():
            yield from _value_rules(one["@id"], name, value, known)


def _value_rules(identifier: str, name: str, value: Any, known: dict[str, Any]) -> Iterator[str]:
    for item in value if isinstance(value, list) else [value]:
        if isinstance(item, dict) and item.keys() != {"@id"}:
            yield f"{identifier}: {name} is nested"
        elif (
            isinstance(item, dict)
            and item["@id"] not in known
            and not item["@id"].startswith(("https://", "http://schema.org/"))
        ):
            yield f"{identifier}: {name} links to {item['@id']}, which is missing"
    if isinstance(value, list) and len(value) < 2 and name != "@type":
        yield f"{identifier}: {name} is a list of {len(value)}"


def _workflow_rules(document: dict[str, Any]) -> Iterator[str]:
    known = entities(document)
    main = known[links(known["./"], "mainEntity")[0]]
    if not {"File", "SoftwareSourceCode", "ComputationalWorkflow"} <= types(main):
        yield "the main workflow is not a ComputationalWorkflow"
    if [types(known[one]) for one in links(main, "programmingLanguage")] != [{"ComputerLanguage"}]:
        yield "the main workflow has no language"
    for parameter in (*links(main, "input"), *links(main, "output")):
        if "FormalParameter" not in types(known[parameter]) or not known[parameter].get("additionalType"):
            yield f"{parameter}: not a parameter with a type"
    if not types(main) or main["@id"] not in links(known["./"], "hasPart"):
        yield "the main workflow is not a part of the crate"


def _file_rules(document: dict[str, Any], folder: Path) -> Iterator[str]:
    for one in links(entities(document)["./"], "hasPart"):
        if not one.startswith("https://") and not (folder / unquote(one)).exists():
            yield f"{one}: not in the crate"
