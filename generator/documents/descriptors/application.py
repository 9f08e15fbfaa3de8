"""``applicationDescriptor.json``: the older descriptor (OGC Testbed 13 and 14), as the original system emits it.

It describes ``application.cwl``, which a platform deploys: its inputs and its output.
"""

from __future__ import annotations

from typing import Any

from generator.documents.context import DocumentContext
from generator.documents.cwl.platform_inputs import platform_type
from generator.documents.text import json_text
from generator.notebook.interface import Input, label
from generator.notebook.parameters import Format
from generator.shared import contract, media_types

_profile = "http://www.opengis.net/profiles/eoc/dockerizedApplication"


def emit(context: DocumentContext) -> dict[str, str]:
    """Return ``applicationDescriptor.json``."""
    return {"applicationDescriptor.json": application_descriptor(context)}


def application_descriptor(context: DocumentContext) -> str:
    """Return the text of ``applicationDescriptor.json``."""
    href = f"{context.address}/application.cwl" if context.address else "application.cwl"
    interface = context.process.interface
    process = {
        "id": context.process_id,
        "title": _title(context),
        "abstract": context.metadata.description or context.title,
        "keywords": _keywords(context),
        "owsContext": {
            "offering": {"code": "http://www.opengis.net/eoc/applicationContext/cwl", "content": {"href": href}}
        },
        "inputs": [_input(one) for one in interface.inputs],
        "outputs": [_entry(contract.output_dir, "all results, with a STAC catalog", media_types.folder)],
    }
    return json_text(
        {
            "processDescription": {
                "process": process,
                "processVersion": context.metadata.version,
                "jobControlOptions": ["async-execute"],
                "outputTransmission": ["reference"],
            },
            "immediateDeployment": True,
            "executionUnit": [{"href": f"docker://{context.image}"}],
            "deploymentProfileName": _profile,
        }
    )


def _keywords(context: DocumentContext) -> list[str]:
    return [*context.metadata.keywords] or [context.source.owner, context.source.name]


def _title(context: DocumentContext) -> str:
    """Return the stated name; else, as in the original system, the commit's message, unless it describes a merge."""
    source = context.source
    return context.metadata.name or (source.title if source.title and not source.is_merge else context.title)


def _input(one: Input) -> dict[str, Any]:
    return {
        "id": one.id,
        "title": one.doc or label(one.name),
        "input": {"literalDataDomains": [{"dataType": {"name": _data_type(one)}}]},
        "minOccurs": "1" if one.required else "0",
    }


def _data_type(one: Input) -> str:
    """Return the name of a type; dates have those of XML Schema."""
    dates = {Format.DATE: "date", Format.DATETIME: "dateTime"}
    name = dates.get(one.hint.format) if one.hint.format else None
    return f"{name}{'[]' if one.hint.array else ''}" if name else platform_type(one)


def _entry(name: str, title: str, media_type: str) -> dict[str, Any]:
    return {"id": name, "title": title, "output": {"formats": [{"mimeType": media_type, "default": True}]}}
