"""``applicationDescriptor.json``: the older descriptor (OGC Testbed 13 and 14), as the original system emits it."""

from __future__ import annotations

from typing import Any

from generator.documents.cwl.process import label
from generator.documents.facts import Facts
from generator.documents.text import json_text
from generator.notebook.interface import Input, Output, type_name
from generator.notebook.parameters import CwlType
from generator.shared import contract, media_types
from generator.shared.media_types import media_type

_profile = "http://www.opengis.net/profiles/eoc/dockerizedApplication"


def application_descriptor(facts: Facts, *, href: str) -> str:
    """The text; ``href`` is where the CWL lies."""
    interface = facts.process.interface
    outputs = [*(_output(one) for one in interface.outputs)]
    if facts.process.is_notebook:
        outputs.append(_entry("output_nb", "executed notebook", media_type("x.ipynb")))
        outputs.append(_entry("scraps", "results that the notebook glued", media_type(contract.scraps_file)))
        outputs.append(_entry("scrap_files", "figures and tables that the notebook glued", media_types.unknown))
    outputs.append(_entry(contract.output_dir, "everything that the run left", media_types.folder))
    process = {
        "id": facts.identifier,
        "title": facts.message.splitlines()[0] if facts.message else facts.title,
        "abstract": facts.process.doc or facts.title,
        "keywords": _keywords(facts),
        "owsContext": {
            "offering": {"code": "http://www.opengis.net/eoc/applicationContext/cwl", "content": {"href": href}}
        },
        "inputs": [_input(one) for one in interface.inputs],
        "outputs": outputs,
    }
    return json_text(
        {
            "processDescription": {
                "process": process,
                "processVersion": facts.checkout,
                "jobControlOptions": ["async-execute"],
                "outputTransmission": ["reference"],
            },
            "immediateDeployment": True,
            "executionUnit": [{"href": f"docker://{facts.image}"}],
            "deploymentProfileName": _profile,
        }
    )


def _keywords(facts: Facts) -> list[str]:
    given = dict(facts.process.metadata).get("keywords", "")
    return [word.strip() for word in given.split(",") if word.strip()] or [facts.owner, facts.name]


def _input(one: Input) -> dict[str, Any]:
    return {
        "id": one.id,
        "title": one.doc or label(one.name),
        "input": {"literalDataDomains": [{"dataType": {"name": type_name(one.hint)}}]},
        "minOccurs": "1" if one.required else "0",
    }


def _output(one: Output) -> dict[str, Any]:
    if one.type is CwlType.DIRECTORY:
        return _entry(one.id, one.doc or label(one.name), media_types.folder)
    return _entry(one.id, one.doc or label(one.name), media_type(one.glob))


def _entry(name: str, title: str, media_type: str) -> dict[str, Any]:
    return {"id": name, "title": title, "output": {"formats": [{"mimeType": media_type, "default": True}]}}
