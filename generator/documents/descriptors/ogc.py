"""The documents of OGC API - Processes: ``processDescription.json`` (Part 1) and ``ogcapppkg.json`` (Part 2).

They describe the workflow of ``application.cwl``, and are made from its parts, so that they agree with it.
"""

from __future__ import annotations

import math
from typing import Any

from generator.documents.context import DocumentContext
from generator.documents.cwl.application import application
from generator.documents.descriptors.ogc_description import describe_process, is_finite
from generator.documents.text import json_text, yaml_text

_PROFILE = "http://www.opengis.net/profiles/eoc/dockerizedApplication"
_GIGABYTE, _MEBIBYTE = 10**9, 2**20


def emit(context: DocumentContext) -> dict[str, str]:
    """Return ``processDescription.json`` and ``ogcapppkg.json``."""
    document = application(context)
    description = describe_process(context, document)
    package = {
        "processDescription": description,
        "executionUnit": _units(context, document),
        "deploymentProfile": _PROFILE,
    }
    return {"processDescription.json": json_text(description), "ogcapppkg.json": json_text(package)}


def _units(context: DocumentContext, document: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the image, the address of the CWL if the package is deposited, and the CWL itself."""
    image = {"type": "docker", "image": context.image, "config": _config(context)}
    link = {"href": f"{context.address}/application.cwl", "type": "application/cwl"}
    return [image, *([link] if context.address else []), _inline(document)]


def _config(context: DocumentContext) -> dict[str, Any]:
    """Return the resources of a run; the standard counts memory and storage in GB, and allows no part of a core."""
    resources = context.process.resources
    config: dict[str, Any] = {
        "cpuMin": max(1, resources.least("cores")),
        "memoryMin": _gigabytes(resources.least("ram")),
        "storageOutputsMin": _gigabytes(resources.least("disk")),
    }
    if resources.time:
        config["jobTimeout"] = resources.time
    return config


def _gigabytes(mebibytes: float) -> float:
    """Convert MiB to GB, rounded up to MB."""
    return math.ceil(mebibytes * _MEBIBYTE / _GIGABYTE * 1000) / 1000


def _inline(document: dict[str, Any]) -> dict[str, Any]:
    """Return the CWL as a qualified value: as JSON, or as YAML if it has numbers that JSON lacks."""
    if is_finite(document):
        return {"value": document, "mediaType": "application/cwl+json"}
    return {"value": yaml_text(document), "mediaType": "application/cwl+yaml"}
