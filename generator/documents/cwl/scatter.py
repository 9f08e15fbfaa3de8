"""``scatter.cwl``: the process of ``application.cwl`` for many values at once (OGC 20-089r1, ``/rec/app-pck/fan-out``).

The same tool in a workflow that runs it once for each item of the lists that its scattered inputs are, the first items
together, then the second ones. The results are gathered into lists in the same order. docs/scale.md describes it.
"""

from __future__ import annotations

from typing import Any

from generator.documents.context import DocumentContext
from generator.documents.cwl.application import (
    graph_text,
    platform_inputs,
    platform_tool,
    platform_workflow,
    workflow_id,
)
from generator.documents.cwl.ports import port
from generator.documents.cwl.process import output_entries
from generator.documents.text import flow, prose
from generator.notebook.interface import label
from generator.shared import contract


def emit(context: DocumentContext) -> dict[str, str]:
    """Return ``scatter.cwl``; empty for a process without an input to scatter over."""
    if not scattered_inputs(context):
        return {}
    return {"scatter.cwl": scatter_cwl(context)}


def scattered_inputs(context: DocumentContext) -> tuple[str, ...]:
    """Return the inputs that are lists in the document: the requested ones, else the only stage-in."""
    interface = context.process.interface
    if context.scatter:
        return tuple(one.id for one in interface.inputs if one.id in context.scatter)
    staged = tuple(one.id for one in interface.stage_ins)
    return staged if len(staged) == 1 else ()


def scatter_id(context: DocumentContext) -> str:
    """Return the name of the workflow in the graph: on a platform, it is a process next to that of `application`."""
    return f"{workflow_id(context)}-scatter"


def scatter_cwl(context: DocumentContext) -> str:
    """Return the text of ``scatter.cwl``."""
    names = scattered_inputs(context)
    inputs = platform_inputs(context)
    tool = platform_tool(context, inputs)
    outputs = {**_declared_outputs(context), **tool["outputs"]}
    tool |= {"arguments": [*tool["arguments"], contract.all_outputs_option], "outputs": outputs}
    workflow = platform_workflow(context, inputs | {name: _many(inputs[name]) for name in names})
    ((step_name, step),) = workflow["steps"].items()
    scatter = {"scatter": flow([*names]), "scatterMethod": "dotproduct", "out": flow([*outputs])}
    workflow = {
        **{name: workflow.pop(name) for name in ("class", "id", "label", "doc")},
        "requirements": {"ScatterFeatureRequirement": {}},
        **workflow,
        "id": scatter_id(context),
        "steps": {step_name: {**step, **scatter}},
        "outputs": {name: _gathered(name, entry, f"{step_name}/{name}") for name, entry in outputs.items()},
    }
    return graph_text(context, workflow, tool)


def _declared_outputs(context: DocumentContext) -> dict[str, Any]:
    """Return the outputs that the process declares, with null as a type only where a run may leave none.

    The workflow fails with a failed run, so that there is nothing to keep of it as in `process`.
    """
    entries = output_entries(context.process)
    found = {one.id: (entries[one.id], one.optional) for one in context.process.interface.outputs}
    return {
        name: entry if is_optional else {**entry, "type": _present(entry["type"])}
        for name, (entry, is_optional) in found.items()
    }


def _many(entry: dict[str, Any]) -> dict[str, Any]:
    """Return an input as a list of values, each of which is given."""
    return {
        **{name: value for name, value in entry.items() if name != "default"},
        "type": _array(_present(entry["type"])),
        "doc": prose(f"{str(entry['doc']).strip()}\nA list; the process runs once for each item."),
    }


def _present(kind: Any) -> Any:
    """Return a type without null."""
    if isinstance(kind, list):
        return next(one for one in kind if one != "null")
    return kind.removesuffix("?") if isinstance(kind, str) else kind


def _array(items: Any) -> Any:
    """Return the type of a list of values; the short form is for lists of plain types alone."""
    if isinstance(items, str) and not items.endswith(("?", "[]")):
        return f"{items}[]"
    return {"type": "array", "items": _long(items)}


def _long(kind: Any) -> Any:
    """Return a type in its long form, because engines read the short one only at the top."""
    if isinstance(kind, str) and kind.endswith("?"):
        return ["null", _long(kind[:-1])]
    return {"type": "array", "items": kind[:-2]} if isinstance(kind, str) and kind.endswith("[]") else kind


def _gathered(name: str, entry: dict[str, Any], source: str) -> dict[str, Any]:
    text = "results" if name == contract.output_dir else label(name)
    doc = f"{str(entry['doc']).strip()}\nA list, in the order of the items."
    return {**port(_array(entry["type"]), text, doc), "outputSource": source}
