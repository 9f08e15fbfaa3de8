"""``workflow.cwl``: the process with its staging steps; ``cache_workflow.cwl``: the stage-in steps only."""

from __future__ import annotations

from typing import Any

from generator.documents.context import DocumentContext
from generator.documents.cwl.about import about
from generator.documents.cwl.ports import described, port
from generator.documents.cwl.process import input_entry, output_entries, template_entry
from generator.documents.cwl.staging import (
    cwltool_namespace,
    record,
    settings,
    stage_in_cwl,
    stage_in_name,
    stage_in_type,
    stage_out_cwl,
    stage_out_type,
)
from generator.documents.text import block, flow, prose, yaml_text
from generator.notebook.interface import Input, label, type_name
from generator.notebook.parameters import Role
from generator.process.process import Process
from generator.shared import contract
from generator.shared.staging_records import Kind, stage_in_kinds, stage_out_kinds


def has_staging(process: Process) -> bool:
    """Whether a package has steps around its process."""
    return bool(process.interface.stage_ins or process.interface.outputs)


def emit(context: DocumentContext) -> dict[str, str]:
    """Return the workflows and their staging steps by name; empty for a process that stages nothing."""
    if not has_staging(context.process):
        return {}
    documents: dict[str, str] = {}
    if context.process.interface.stage_ins:
        names = (stage_in_name(index) for index, _ in enumerate(context.process.interface.stage_ins))
        documents |= {f"{name}.cwl": stage_in_cwl(context, name) for name in names}
        documents["cache_workflow.cwl"] = cache_workflow_cwl(context)
    if context.process.interface.outputs:
        documents["stage_out.cwl"] = stage_out_cwl(context)
    return {**documents, "workflow.cwl": workflow_cwl(context)}


def workflow_cwl(context: DocumentContext) -> str:
    """Return ``workflow.cwl``: every stage-in, chained over the cache, then the process, then the stage-out."""
    interface = context.process.interface
    inputs = {one.id: _workflow_input(one, "workflow") for one in interface.inputs}
    if context.process.is_notebook:
        inputs[contract.template_input] = template_entry(context)
    steps = _stage_in_steps(context)
    process_step, stage_out_step = step_id("process", context), step_id("stage_out_results", context)
    results = output_entries(context.process)
    steps[process_step] = {
        **described(context.title, context.doc),
        "run": "process.cwl",
        "in": {name: _process_source(name, context) for name in inputs},
        "out": flow(list(results)),
    }
    outputs: dict[str, Any] = {
        name: {**_without_binding(entry), "outputSource": f"{process_step}/{name}"} for name, entry in results.items()
    }
    if interface.stage_ins:
        inputs[contract.cache_input] = port("Directory?", "contents of earlier runs; is added to")
    kinds = [*(stage_in_kinds if interface.stage_ins else ())]
    if interface.outputs:
        inputs["stage_out"] = port(stage_out_type("workflow"), "where the results go: a URL or a record")
        inputs[contract.catalog_input] = port("boolean?", "write a STAC catalog of the results, too")
        steps[stage_out_step] = _stage_out_step(context, process_step)
        outputs["staged"] = {**port("File", "what went where, as JSON"), "outputSource": f"{stage_out_step}/staged"}
        folder = port("Directory?", "the destination, when it is a folder of the outputs")
        outputs["staged_dir"] = {**folder, "outputSource": f"{stage_out_step}/staged_dir"}
        kinds += stage_out_kinds
    inputs |= settings()
    return _workflow(context, "workflow", context.title, inputs=inputs, steps=steps, outputs=outputs, kinds=kinds)


def _workflow(
    context: DocumentContext,
    name: str,
    text: str,
    *,
    inputs: dict[str, Any],
    steps: dict[str, Any],
    outputs: dict[str, Any],
    kinds: list[Kind],
) -> str:
    secrets = [one.id for one in context.process.interface.inputs if one.hint.secret and one.id in inputs]
    return yaml_text(
        block(
            **{
                "cwlVersion": "v1.2",
                "$namespaces": {"s": "https://schema.org/", **cwltool_namespace},
                "class": "Workflow",
                "id": name,
                "label": text,
                "doc": prose(context.doc),
                **about(context),
                "requirements": {
                    "SchemaDefRequirement": {"types": [record(kind) for kind in kinds]},
                    "StepInputExpressionRequirement": {},
                },
                "hints": {"cwltool:Secrets": {"secrets": flow([*secrets, contract.credentials_input])}},
                "inputs": inputs,
                "steps": steps,
                "outputs": outputs,
            }
        )
    )


def _workflow_input(one: Input, document: str) -> dict[str, Any]:
    if one.hint.role is not Role.STAGE_IN:
        return input_entry(one)
    doc = one.doc or f"Staged in as {type_name(one.hint)}: a URL, a record, a File, or a list of these."
    return port(stage_in_type(document, optional=one.hint.optional), label(one.name), doc)


def _stage_in_steps(context: DocumentContext, *, only_cache: bool = False) -> dict[str, Any]:
    """One step an input; each hands the cache to the next, so that no two write to it at once."""
    steps: dict[str, Any] = {}
    cache: dict[str, Any] = {contract.cache_input: contract.cache_input}
    for index, one in enumerate(context.process.interface.stage_ins):
        name = step_name(one, context)
        steps[name] = {
            **described(f"stage in {label(one.name)}", one.doc),
            "run": f"{stage_in_name(index)}.cwl",
            "in": {
                "input_path": {"source": one.id, "valueFrom": "$(self)"},
                "name": {"default": one.id},
                "as_type": {"default": type_name(one.hint)},
                **cache,
                **({"cache_only": {"default": True}} if only_cache else {}),
                contract.credentials_input: contract.credentials_input,
                contract.config_input: contract.config_input,
            },
            "out": flow(
                ["cache_new", "cache_out", "cache_is_new"] if only_cache else [_staged_output(one), "cache_out"]
            ),
        }
        cache = {contract.cache_input: f"{name}/cache_out"}
        if only_cache:
            cache[contract.created_cache_input] = f"{name}/cache_is_new"
    return steps


def step_name(one: Input, context: DocumentContext) -> str:
    """Name the stage-in step of an input."""
    return step_id(f"stage_in_{one.id}", context)


def step_id(name: str, context: DocumentContext) -> str:
    """Return a step's name that differs from all inputs and outputs: ids are unique (CWL v1.2, "Workflow")."""
    interface = context.process.interface
    taken = {one.id for one in interface.inputs} | {one.id for one in interface.outputs}
    while name in taken:
        name += "_step"
    return name


def _staged_output(one: Input) -> str:
    names = {"File": "output_file", "File[]": "output_files", "Directory[]": "output_directories"}
    return names.get(type_name(one.hint), "output_directory")


def _process_source(name: str, context: DocumentContext) -> Any:
    """Return the source of a process input; ``valueFrom`` since a step's output may be null and this input not."""
    staged = {one.id: one for one in context.process.interface.stage_ins}
    if name not in staged:
        return name
    one = staged[name]
    return {"source": f"{step_name(one, context)}/{_staged_output(one)}", "valueFrom": "$(self)"}


def _stage_out_step(context: DocumentContext, process_step: str) -> dict[str, Any]:
    patterns = [one.glob for one in context.process.interface.outputs]
    if context.process.is_notebook:
        patterns += [contract.scraps_file, contract.scraps_folder]
    return {
        **described("stage out the results"),
        "run": "stage_out.cwl",
        "in": {
            contract.destination_input: {"source": "stage_out", "valueFrom": "$(self)"},
            contract.output_dir: f"{process_step}/output_dir",
            contract.include_input: {"default": patterns},
            contract.catalog_input: contract.catalog_input,
            "name": {"default": context.identifier},
            contract.credentials_input: contract.credentials_input,
            contract.config_input: contract.config_input,
        },
        "out": flow(["staged", "staged_dir"]),
    }


def _without_binding(entry: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in entry.items() if name != "outputBinding"}


def cache_workflow_cwl(context: DocumentContext) -> str:
    """Return ``cache_workflow.cwl``, which fills a cache before the runs that use it."""
    staged = context.process.interface.stage_ins
    inputs: dict[str, Any] = {one.id: _workflow_input(one, "cache_workflow") for one in staged}
    inputs[contract.cache_input] = port("Directory?", "the cache to add to; a new one when not given")
    inputs |= settings()
    outputs = {
        "cache_out": {
            **port("Directory?", "the cache, unless it is an existing one that the engine updates in place"),
            "outputSource": f"{step_name(staged[-1], context)}/cache_new",
        }
    }
    steps = _stage_in_steps(context, only_cache=True)
    return _workflow(
        context,
        "cache_workflow",
        f"cache for {context.title}",
        inputs=inputs,
        steps=steps,
        outputs=outputs,
        kinds=[*stage_in_kinds],
    )
