"""The container image of a run (Process Run Crate 0.5, "Representing container images")."""

from __future__ import annotations

import re

from generator.crates.graph import Graph, Reference, reference


def add_container_image(graph: Graph, image: str) -> Reference | None:
    """Add the image by the parts of its reference; one without a registry exists on this machine alone."""
    if not image:
        return None
    name, _, digest = image.partition("@sha256:")
    name, tag = _split(name)
    first, _, rest = name.partition("/")
    registry = first if rest and ("." in first or ":" in first or first == "localhost") else ""
    return graph.add(
        "#container-image",
        "ContainerImage",
        additionalType=reference("https://w3id.org/ro/terms/workflow-run#DockerImage"),
        registry=registry,
        name=rest if registry else name,
        tag=tag,
        sha256=digest,
    )


def _split(name: str) -> tuple[str, str]:
    """Split a tag from a reference; a colon before a slash belongs to a port."""
    match = re.fullmatch(r"(.+):([\w.-]+)", name)
    return (match[1], match[2]) if match else (name, "")
