"""The entities of a Workflow RO-Crate 1.0: the crate itself, its main workflow, and the image."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from generator.crates.graph import ROOT, Graph, Reference, reference
from generator.crates.parameters import add_parameter
from generator.crates.people import add_license, add_people
from generator.metadata.metadata import Metadata
from generator.shared import media_types

_CWL = "https://w3id.org/workflowhub/workflow-ro-crate#cwl"
_PROFILE = "https://bioschemas.org/profiles/ComputationalWorkflow/1.0-RELEASE"
_CWL_TYPE = "application/cwl"
IMAGE = "#image"


@dataclass(frozen=True, kw_only=True, slots=True)
class Workflow:
    """A CWL document that is the main workflow of a crate; ``inputs`` and ``outputs`` are its entries by name."""

    document: str
    title: str
    doc: str
    metadata: Metadata
    image: str = ""
    inputs: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    outputs: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


def add_workflow(graph: Graph, workflow: Workflow) -> Reference:
    """Add the main workflow with its parameters, its language and its image."""
    language = graph.add(
        _CWL,
        "ComputerLanguage",
        name="Common Workflow Language",
        alternateName="CWL",
        version="v1.2",
        identifier=reference("https://w3id.org/cwl/v1.2/"),
        url=reference("https://www.commonwl.org/"),
    )
    metadata = workflow.metadata
    return graph.add_file(
        workflow.document,
        ["File", "SoftwareSourceCode", "ComputationalWorkflow"],
        conformsTo=reference(_PROFILE),
        name=workflow.title,
        description=workflow.doc,
        programmingLanguage=language,
        encodingFormat=_CWL_TYPE,
        version=metadata.version,
        dateCreated=metadata.date_created,
        codeRepository=metadata.code_repository,
        url=metadata.code_repository if metadata.code_repository.startswith("https://") else None,
        creator=add_people(graph, "author", metadata.author),
        license=add_license(graph, metadata.license),
        softwareRequirements=add_image(graph, workflow.image, version=metadata.version),
        input=[add_parameter(graph, workflow.document, *one, is_input=True) for one in workflow.inputs.items()],
        output=[add_parameter(graph, workflow.document, *one, is_input=False) for one in workflow.outputs.items()],
    )


def add_image(graph: Graph, image: str, *, version: str) -> Reference | None:
    """Add the container image that runs the process."""
    return graph.add(IMAGE, "SoftwareApplication", name=image, softwareVersion=version) if image else None


def add_root(
    graph: Graph,
    workflow: Workflow,
    *,
    published: str,
    files: Iterable[str],
    parts: Iterable[Reference] = (),
    **more: Any,
) -> None:
    """Add the root: what the crate is about, and its files; ``published`` is a date or a time in ISO 8601.

    ``parts`` are entities that are in the graph already.
    """
    metadata, main = workflow.metadata, add_workflow(graph, workflow)
    others = [add_document(graph, path) for path in sorted(files) if path != workflow.document]
    graph.add(
        ROOT,
        "Dataset",
        name=workflow.title,
        description=workflow.doc,
        datePublished=published,
        license=add_license(graph, metadata.license),
        author=add_people(graph, "author", metadata.author),
        contributor=add_people(graph, "contributor", metadata.contributor),
        publisher=add_people(graph, "publisher", metadata.publisher),
        keywords=", ".join(metadata.keywords),
        citation=metadata.citation,
        version=metadata.version,
        mainEntity=main,
        hasPart=[main, *others, *parts],
        **more,
    )


def add_document(graph: Graph, path: str) -> Reference:
    """Add a file of a package."""
    if path == "README.md":
        return graph.add_file(path, name=path, about=reference(ROOT), encodingFormat="text/markdown")
    kind = _CWL_TYPE if path.endswith(".cwl") else media_types.media_type(re.sub(r"(?<=\.json)\.[^/]+$", "", path))
    return graph.add_file(path, name=path, encodingFormat=kind)
