"""``process.cwl``: the CommandLineTool that runs the process in its image (CWL v1.2)."""

from __future__ import annotations

import glob
import json
import re
from dataclasses import replace
from typing import Any

from generator.documents.context import DocumentContext
from generator.documents.cwl.about import about
from generator.documents.cwl.ports import port
from generator.documents.text import block, flow, plain, prose, quoted, yaml_text
from generator.notebook.bounds import range_text
from generator.notebook.dates import is_dynamic
from generator.notebook.declarations import output_declaration
from generator.notebook.interface import Input, Output, described_type, label
from generator.notebook.literals import describe
from generator.notebook.parameters import CwlType, Format, Hint, Literal, Missing, Role
from generator.notebook.text_formats import executed_name
from generator.process.process import Process
from generator.request.resources import Resources
from generator.shared import contract
from generator.shared.output_patterns import alternatives
from generator.shared.safe_text import printable

_salad_names = frozenset(
    (
        "$schemas class cwlVersion default envDef fields format hints id in inputs intent items location name out "
        "outputSource outputs packages path requirements run scatter scatterMethod secondaryFiles source specs steps "
        "symbols type"
    ).split()
)


def emit(context: DocumentContext) -> dict[str, str]:
    """Return ``process.cwl``."""
    return {"process.cwl": process_cwl(context)}


def process_cwl(context: DocumentContext) -> str:
    """Return the text of ``process.cwl``."""
    process = context.process
    hints = process_hints(process)
    namespaces = {"s": "https://schema.org/"}
    if hints:
        namespaces["cwltool"] = "http://commonwl.org/cwltool#"
    document: dict[str, Any] = {
        "cwlVersion": "v1.2",
        "$namespaces": namespaces,
        "class": "CommandLineTool",
        "id": "process",
        "label": context.title,
        "doc": prose(context.doc),
        **about(context),
        "requirements": process_requirements(context),
    }
    if hints:
        document["hints"] = hints
    document["baseCommand"] = flow(["packmill-runner", "run"])
    document["arguments"] = [escape(word) for word in arguments(process)]
    document["inputs"] = {one.id: input_entry(one) for one in process.interface.inputs}
    if process.is_notebook:
        document["inputs"][contract.template_input] = template_entry(context)
    document["outputs"] = output_entries(process)
    return yaml_text(block(**document))


def arguments(process: Process) -> list[str]:
    """Return the arguments of ``packmill-runner run`` for a process."""
    kernel = [contract.kernel_option, process.kernel] if process.kernel else []
    language = [contract.language_option, process.chosen_language] if process.chosen_language else []
    chosen = [contract.parameters_cell_option, str(process.parameters_cell)] if process.parameters_cell else []
    needed = [one for one in process.interface.outputs if not one.optional and not one.array]
    expected = [word for one in needed for word in (contract.expect_option, f"{one.name}={one.glob}")]
    paths = [] if process.is_notebook else [word for one in process.interface.inputs for word in _path_words(one)]
    outputs = () if process.is_notebook else process.interface.outputs  # the runner reads those of a notebook in it
    declared = [word for one in outputs for word in (contract.declare_option, output_declaration(one))]
    return [
        contract.process_option,
        process.path,
        *kernel,
        *language,
        *chosen,
        contract.inputs_option,
        contract.inputs_file,
        contract.output_option,
        contract.output_folder,
        *expected,
        *paths,
        *declared,
    ]


def _path_words(one: Input) -> list[str]:
    """Return the option for an input that a script gets as text, because its default is text."""
    if one.hint.type not in (CwlType.FILE, CwlType.DIRECTORY) or isinstance(one.default, Missing) or not one.as_path:
        return []
    default = one.default if isinstance(one.default, str) else ""
    return [contract.path_option, f"{one.id}={default}"]


def escape(text: str) -> str:
    """Escape ``$(`` and ``${``, which would start an expression (CWL v1.2, "Expressions")."""
    return re.sub(r"\\(?=\$[({])|\$(?=[({])", lambda match: "\\" + match[0], text)


def process_requirements(context: DocumentContext) -> dict[str, Any]:
    """Return the requirements of the tool, by class."""
    resources = context.process.resources
    least = {"coresMin": "cores", "ramMin": "ram", "outdirMin": "disk"}
    requirements: dict[str, Any] = {
        "DockerRequirement": {"dockerPull": context.image},
        "InitialWorkDirRequirement": {"listing": [{"entryname": contract.inputs_file, "entry": "$(inputs)"}]},
        "ResourceRequirement": {name: resources.least(resource) for name, resource in least.items()},
    }
    if resources.time:
        requirements["ToolTimeLimit"] = {"timelimit": resources.time}
    if context.network:
        requirements["NetworkAccess"] = {"networkAccess": True}
    return requirements


def process_hints(process: Process) -> dict[str, Any]:
    """Return the hints of the tool, by class: secret inputs, GPUs."""
    hints: dict[str, Any] = {}
    if secrets := [one.id for one in process.interface.inputs if one.hint.secret]:
        hints["cwltool:Secrets"] = {"secrets": flow(secrets)}
    if process.resources.gpu:
        hints["cwltool:CUDARequirement"] = _cuda(process.resources)
    return hints


def _cuda(resources: Resources) -> dict[str, Any]:
    """Return the hint for GPUs; both versions are required in it, and the lowest ones restrict nothing."""
    return {
        "cudaVersionMin": quoted(resources.cuda_version or "1.0"),
        "cudaComputeCapability": quoted(resources.compute_capability or "1.0"),
        "cudaDeviceCountMin": resources.gpu,
    }


def input_entry(one: Input) -> dict[str, Any]:
    """One input: type, label, doc, and the default where CWL can carry it."""
    default = carried_default(one)
    optional = one.hint.optional or (
        default is Missing.UNSET and not isinstance(one.default, Missing) and one.hint.role is Role.VALUE
    )
    doc = "\n".join(filter(None, (one.doc, _choices(one.hint), _form(one))))
    entry = port(cwl_type(one.hint, optional=optional), label(one.name), doc)
    if not isinstance(default, Missing):
        entry["default"] = plain(default)
    return entry


def _choices(hint: Hint) -> str:
    """List the choices that the CWL type does not show."""
    if not hint.symbols or (hint.type is CwlType.ENUM and _is_cwl_enum(hint)):
        return ""
    return printable(f"O{describe(replace(hint, array=False))[1:]}")


def _form(one: Input) -> str:
    """Describe the form and the range of a value, for which CWL has no type; the runner checks them."""
    hint = one.hint
    if hint.format is None:
        return printable(range_text(hint, one.doc))
    what = describe(replace(hint, array=False) if hint.format is not Format.BBOX else hint)
    default = f", by default {one.default} when the run starts (UTC)" if is_dynamic(one.default) else ""
    return printable(f"{what[0].upper()}{what[1:]}{default}.")


def template_entry(context: DocumentContext) -> dict[str, Any]:
    """Return the entry for ``output_template``, the runner's own input of a notebook."""
    entry = port(
        "string?",
        "path of the executed notebook",
        "A jinja2 template with args.timestamp, args.year, args.month, args.day, args.notebook_name and the "
        f"inputs, relative to {contract.output_folder}/; without it the notebook keeps its name.",
    )
    if context.output_template:
        entry["default"] = plain(context.output_template)
    return entry


def cwl_type(hint: Hint, *, optional: bool) -> Any:
    """Return the CWL type of an input: ``int``, ``string[]?``, an enum, or a union with null."""
    base: Any = str(hint.type)
    if hint.type is CwlType.ENUM and _is_cwl_enum(hint):
        enum = {"type": "enum", "symbols": flow(list(hint.symbols))}
        return ["null", enum] if optional else enum
    if hint.type is CwlType.ENUM:
        base = "string"
    return f"{base}{'[]' if hint.array else ''}{'?' if optional else ''}"


def _is_cwl_enum(hint: Hint) -> bool:
    """Check whether CWL engines can check the choices; otherwise only packmill and the runner do.

    CWL resolves symbols like addresses, so that a slash or a hash in one changes it, and cwltool cannot run a tool
    with an array of enums (https://github.com/common-workflow-language/cwltool/issues/821).
    """
    return not hint.array and all(re.fullmatch(r"[\w][\w .+-]*", symbol) for symbol in hint.symbols)


def carried_default(one: Input) -> Literal | Missing:
    """Return the default for the document; UNSET if only the parameters cell can provide it.

    A path in the cell is not a file of the user who runs the document. And CWL's loader rewrites keys such as ``id`` or
    ``path`` inside a default (Schema Salad, "Document preprocessing"), so a dictionary with one of them stays in the
    cell, where it is exact.
    """
    if isinstance(one.default, Missing) or one.hint.type in (CwlType.FILE, CwlType.DIRECTORY):
        return Missing.UNSET
    if one.hint.format is Format.GEOJSON:
        return _geojson_text(one.default)
    return one.default if _survives(one.default) else Missing.UNSET


def _geojson_text(value: Literal) -> Literal:
    """Return GeoJSON as text, its type in CWL."""
    if isinstance(value, list | tuple):
        return [_geojson_text(item) for item in value]
    return value if isinstance(value, str) else json.dumps(value)


def _survives(value: Literal) -> bool:
    if isinstance(value, list | tuple):
        return all(_survives(item) for item in value)
    if isinstance(value, dict):
        keys_survive = all(key not in _salad_names and ":" not in key and not key.startswith("$") for key in value)
        return keys_survive and all(_survives(item) for item in value.values())
    return True


def output_entries(process: Process) -> dict[str, Any]:
    """Return the entries for the process's own outputs and for those of every run."""
    entries = {one.id: _output_entry(one) for one in process.interface.outputs}
    if process.is_notebook:
        entries["output_nb"] = _file("executed notebook", glob.escape(executed_name(process.path)))
        entries["scraps"] = _file("results that the notebook glued", contract.scraps_file)
        entries["scrap_files"] = {
            **port("File[]", "figures and tables that the notebook glued"),
            "outputBinding": {"glob": f"{contract.output_folder}/scraps/*"},
        }
    entries[contract.output_dir] = {
        **port("Directory", "everything that the run left"),
        "outputBinding": {"glob": contract.output_folder},
    }
    return entries


def _file(what: str, pattern: str) -> dict[str, Any]:
    return {**port("File", what), "outputBinding": {"glob": escape(f"{contract.output_folder}/{pattern}")}}


def _output_entry(one: Output) -> dict[str, Any]:
    """Return the entry for a file that the process itself writes.

    Engines take the runner's output object; the glob is for a run that ends before the runner can write it.

    Its type admits null although the runner fails without it (``--expect``): a required output that is missing would
    make the engine throw away everything else that a failed run left, the notebook with its traceback first.
    """
    kind = f"{one.type}[]" if one.array else f"{one.type}?"
    entry = port(kind, label(one.name), one.doc)
    readings = [escape(f"{contract.output_folder}/{reading}") for reading in alternatives(one.glob)]
    entry["outputBinding"] = {"glob": readings if one.array and len(readings) > 1 else readings[0]}
    return entry


def shown_type(one: Input) -> str:
    """Return an input's type in words, for comments and tables."""
    hint = one.hint
    return printable(
        f"{described_type(hint)}{', optional' if hint.optional else ''}{', secret' if hint.secret else ''}"
    )
