"""``application.cwl``: the process as one self-contained ``$graph``, for platforms (OGC 20-089r1, 8.2).

A platform stages the inputs before the run and the results after it, so the graph is a workflow with one step, the
process: each stage-in is a folder with a STAC catalog (``/req/app-pck-stage-in``), and the only output is a folder with
one (``/req/app-pck-stage-out``). The runner in the image converts from and to the notebook's own files
(`generator.runner.packaged.platform`). docs/application.md describes it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

from generator.documents.context import DocumentContext
from generator.documents.cwl.platform_inputs import platform_arguments, platform_input
from generator.documents.cwl.platform_metadata import platform_metadata
from generator.documents.cwl.process import (
    arguments,
    escape,
    process_hints,
    process_requirements,
    template_entry,
)
from generator.documents.cwl.workflow import step_id
from generator.documents.text import block, flow, prose, yaml_text
from generator.shared import contract


def emit(context: DocumentContext) -> dict[str, str]:
    """Return ``application.cwl``."""
    return {"application.cwl": application_cwl(context)}


def application_cwl(context: DocumentContext) -> str:
    """Return the text of ``application.cwl``."""
    return _graph_text(application(context))


def application(context: DocumentContext) -> dict[str, Any]:
    """Return the document; other descriptors may contain it."""
    inputs = platform_inputs(context)
    return _graph(context, platform_workflow(context, inputs), platform_tool(context, inputs))


def graph_text(context: DocumentContext, workflow: dict[str, Any], tool: dict[str, Any]) -> str:
    """Return the text of a document with this workflow and the tool that it runs."""
    return _graph_text(_graph(context, workflow, tool))


def workflow_id(context: DocumentContext) -> str:
    """Return the name of the workflow in the graph, which platforms take as that of the process."""
    identifier = context.process_id
    return f"{identifier}-application" if identifier in ("main", _tool_id) else identifier


_shared = "those-of-both"
"""Stands for the inputs in a text until they are inserted."""
_tool_id = "process"
_results = {
    "type": "Directory",
    "label": "results",
    "doc": "All files that the run wrote, with a STAC catalog of them in catalog.json.",
}


def _graph(context: DocumentContext, workflow: dict[str, Any], tool: dict[str, Any]) -> dict[str, Any]:
    return block(
        **{
            "cwlVersion": "v1.2",
            "$namespaces": {"s": "https://schema.org/", **_cwltool_namespace(context)},
            **platform_metadata(context),
            "$graph": [workflow, tool],
        }
    )


def _graph_text(document: dict[str, Any]) -> str:
    """Format a document; inputs that its workflow and its tool share are formatted once."""
    inputs = document["$graph"][-1]["inputs"]
    members = [{**one, "inputs": _shared} for one in document["$graph"]]
    parts = yaml_text(block(**{**document, "$graph": members})).split(f"\n    inputs: {_shared}\n")
    text = yaml_text(inputs)
    entries = re.findall(r"^\S.*\n(?:(?!\S).*\n)*", text, flags=re.MULTILINE)
    # texts of the author may have such a line, or line breaks of YAML 1.1, after which ruamel writes the indentation
    if len(parts) != len(members) + 1 or len(entries) != len(inputs) or re.search("[\x85\u2028\u2029]", text):
        return yaml_text(document)
    shared = {name: (inputs[name], entry) for name, entry in zip(inputs, entries, strict=True)}
    blocks = [f"\n    inputs:\n{_inputs_text(one['inputs'], shared)}" for one in document["$graph"]]
    return "".join(text for pair in zip(parts, [*blocks, ""], strict=True) for text in pair)


def _inputs_text(inputs: dict[str, Any], shared: Mapping[str, tuple[dict[str, Any], str]]) -> str:
    """Return the text of a member's inputs; ``shared`` has those of the tool with their texts."""
    texts = [shared[name][1] if one is shared[name][0] else yaml_text({name: one}) for name, one in inputs.items()]
    return re.sub(r"^(?=.)", " " * 6, "".join(texts), flags=re.MULTILINE)


def platform_inputs(context: DocumentContext) -> dict[str, Any]:
    """Return the inputs as platforms take them, by name."""
    inputs = {one.id: platform_input(one) for one in context.process.interface.inputs}
    if context.process.is_notebook:
        inputs[contract.template_input] = template_entry(context)
    return inputs


def platform_workflow(context: DocumentContext, inputs: dict[str, Any]) -> dict[str, Any]:
    """Return the workflow, whose only step is the process."""
    workflow: dict[str, Any] = {
        "class": "Workflow",
        "id": workflow_id(context),
        "label": context.title,
        "doc": prose(context.doc),
    }
    if hints := _secrets(context):
        workflow["hints"] = hints
    step_name = step_id("run", context)
    results = {**_results, "outputSource": f"{step_name}/{contract.output_dir}"}
    step = {
        "label": context.title,
        "doc": f"Runs {context.process.path} in its image.",
        "run": f"#{_tool_id}",
        "in": {name: name for name in inputs},
        "out": flow([contract.output_dir]),
    }
    return {**workflow, "inputs": inputs, "steps": {step_name: step}, "outputs": {contract.output_dir: results}}


def platform_tool(context: DocumentContext, inputs: dict[str, Any]) -> dict[str, Any]:
    """Return the tool, whose results are one folder with a STAC catalog."""
    process = context.process
    tool: dict[str, Any] = {
        "class": "CommandLineTool",
        "id": _tool_id,
        "label": context.title,
        "doc": prose(context.doc),
        "requirements": _requirements(context),
    }
    if hints := process_hints(process):
        tool["hints"] = hints
    words = [*arguments(process), *platform_arguments(process), contract.catalog_option, workflow_id(context)]
    return {
        **tool,
        "baseCommand": flow(["packmill-runner", "run"]),
        "arguments": [escape(word) for word in words],
        "inputs": inputs,
        "outputs": {contract.output_dir: {**_results, "outputBinding": {"glob": contract.output_folder}}},
    }


def _requirements(context: DocumentContext) -> dict[str, Any]:
    """Return the tool's requirements; validators of application packages require a maximum of each resource.

    It is the amount that the author states. If nothing states the memory, it is 4 GiB, as in the original system. Parts
    of a core are rounded up: MAAP's API reads whole numbers alone.
    """
    requirements = process_requirements(context)
    resources = context.process.resources
    least = requirements["ResourceRequirement"]
    most = least["ramMin"] if resources.ram else 2 * least["ramMin"]
    cores = math.ceil(least["coresMin"])
    limits = {
        "coresMin": cores,
        "coresMax": cores,
        "ramMin": least["ramMin"],
        "ramMax": most,
        "outdirMin": least["outdirMin"],
    }
    return {**requirements, "ResourceRequirement": limits}


def _secrets(context: DocumentContext) -> dict[str, Any]:
    """Return the hint that keeps secret inputs out of an engine's records; it applies from the workflow on."""
    hints = process_hints(context.process)
    return {name: value for name, value in hints.items() if name == "cwltool:Secrets"}


def _cwltool_namespace(context: DocumentContext) -> dict[str, str]:
    return {"cwltool": "http://commonwl.org/cwltool#"} if process_hints(context.process) else {}
