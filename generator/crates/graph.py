"""The graph of a crate: its entities by identifier, as ``ro-crate-metadata.json`` lists them (RO-Crate 1.1)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from urllib.parse import quote

METADATA_FILE = "ro-crate-metadata.json"
_SPECIFICATION = "https://w3id.org/ro/crate/1.1"
_WORKFLOW_PROFILE = "https://w3id.org/workflowhub/workflow-ro-crate/1.0"
_CONTEXT = "https://w3id.org/ro/crate/1.1/context"
RUN_CONTEXT = "https://w3id.org/ro/terms/workflow-run/context"
CONTEXTS = (_CONTEXT, RUN_CONTEXT)
"""All contexts that packmill writes."""
ROOT = "./"

Reference = dict[str, str]


class Graph:
    """Entities and their links. The same calls give the same document: nothing is a time or a random number."""

    def __init__(self) -> None:
        self._entities: dict[str, dict[str, Any]] = {}
        self._linked: dict[tuple[str, str], set[str]] = {}
        """The targets of each property that `link` adds to, by its entity: a run may have very many files."""
        profiles = [reference(_SPECIFICATION), reference(_WORKFLOW_PROFILE)]
        self.add(METADATA_FILE, "CreativeWork", conformsTo=profiles, about=reference(ROOT))
        self.add(ROOT, "Dataset")

    def add(self, identifier: str, kind: str | Iterable[str], /, **properties: Any) -> Reference:
        """Add an entity, or properties to an entity of this identifier.

        Properties without a value are left out, and a list of one is its item (RO-Crate 1.1, "RO-Crate JSON-LD").
        """
        kinds = kind if isinstance(kind, str) else list(kind)
        entity = self._entities.setdefault(identifier, {"@id": identifier, "@type": kinds})
        stated = {name: value for name, value in properties.items() if value not in (None, "", [], {})}
        entity |= {
            name: value[0] if isinstance(value, list) and len(value) == 1 else value for name, value in stated.items()
        }
        return reference(identifier)

    def link(self, identifier: str, name: str, target: Reference) -> None:
        """Add a link to a property that may have several, and that `add` gives no value."""
        entity, key = self._entities[identifier], (identifier, name)
        if name not in entity:
            entity[name], self._linked[key] = target, {target["@id"]}
        elif target["@id"] not in self._linked[key]:
            self._linked[key].add(target["@id"])
            if not isinstance(entity[name], list):
                entity[name] = [entity[name]]
            entity[name].append(target)

    def add_file(self, path: str, kind: str | Iterable[str] = "File", /, **properties: Any) -> Reference:
        """Add a file of the crate by its relative path; a path that ends in ``/`` is a folder."""
        return self.add(file_identifier(path), kind, **properties)

    def to_dict(self, *, contexts: Iterable[str] = ()) -> dict[str, Any]:
        """Return the JSON-LD document; ``contexts`` define terms beyond those of RO-Crate."""
        more = list(contexts)
        return {"@context": [_CONTEXT, *more] if more else _CONTEXT, "@graph": list(self._entities.values())}


def reference(identifier: str) -> Reference:
    """Return a link to an entity."""
    return {"@id": identifier}


def file_identifier(path: str) -> str:
    """Return the identifier of a file of the crate: its path as a relative URI."""
    return quote(path, safe="/~!$&'()*+,;=@-._")
