"""``ro-crate-metadata.json``: the package as a Workflow RO-Crate (https://w3id.org/workflowhub/workflow-ro-crate/1.0).

The library rocrate is not used: it writes the current time and random identifiers, reads files from a disk, and takes
half a second to import.
"""

from __future__ import annotations

from collections.abc import Iterable

from generator.crates.graph import METADATA_FILE, Graph
from generator.crates.workflow import Workflow, add_root
from generator.documents.context import DocumentContext
from generator.documents.cwl.application import application
from generator.documents.text import json_text


def emit_catalog(context: DocumentContext, files: Iterable[str]) -> dict[str, str]:
    """Return ``ro-crate-metadata.json``, which describes the other ``files`` of the package."""
    graph = Graph()
    add_root(graph, _workflow(context), published=context.source.timestamp, files=files)
    return {METADATA_FILE: json_text(graph.to_dict())}


def _workflow(context: DocumentContext) -> Workflow:
    main = application(context)["$graph"][0]
    return Workflow(
        document="application.cwl",
        title=context.title,
        doc=context.doc,
        metadata=context.metadata,
        image=context.image,
        inputs=main["inputs"],
        outputs=main["outputs"],
    )
