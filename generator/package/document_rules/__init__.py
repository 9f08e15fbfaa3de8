"""What a document of a package may hold to run without ``--trust``: what packmill writes, and nothing else.

A stranger chooses the documents and the ``package.json`` of a package alike, so comparing one with the other proves
little. These rules hold for packages of every version instead: each tool runs in a container, no expression of others
runs on the host, and nothing is loaded from outside of the package. A rule yields its problems as ``field: problem``.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from generator.package.document_rules.fields import (
    Problems,
    about_rule,
    default_rule,
    has_expression,
    items,
    mapping,
    name_rule,
    source_rule,
    text_rule,
    type_rule,
    unknown,
)
from generator.package.document_rules.requirements import (
    requirement_rules,
    tool_hints,
    tool_requirements,
    workflow_hints,
    workflow_requirements,
)
from generator.package.plain_document import read_document
from generator.package.record import read_record
from generator.repository.checkout import inside, is_file
from generator.shared import contract
from generator.shared.errors import DocumentError

_namespaces = {"s": "https://schema.org/", "cwltool": "http://commonwl.org/cwltool#"}
_shared = {"cwlVersion", "$namespaces", "class", "id", "label", "doc", "requirements", "hints", "inputs", "outputs"}
_own = {"CommandLineTool": {"baseCommand", "arguments"}, "Workflow": {"steps"}}


def broken_rules(document: Path) -> list[str]:
    """List everything in a document, and in the documents it runs, that packmill does not write."""
    folder = document.parent.resolve()
    return [f"{document.name}: {problem}" for problem in _document(document, folder)]


def _document(path: Path, folder: Path, *, as_step: bool = False) -> Problems:
    if inside(folder, path.name) is None:
        yield "it is a link that leaves the package"
        return
    try:
        document = read_document(path)
    except DocumentError as error:
        yield str(error)
        return
    if not as_step and "$graph" in mapping(document):
        yield from _graph(document, folder)
        return
    kind = mapping(document).get("class")
    if not isinstance(kind, str) or kind not in ({"CommandLineTool"} if as_step else _own):
        yield f"class: {kind!r} is not a CommandLineTool{'' if as_step else ' or a Workflow'}"
        return
    yield from _file_head(document, _shared | _own[kind])
    yield from _process(document, kind, folder)


def _graph(document: dict[str, Any], folder: Path) -> Problems:
    """Check ``application.cwl`` or ``scatter.cwl``: a workflow, and the tool that its only step runs."""
    yield from _file_head(document, {"cwlVersion", "$namespaces", "$graph"})
    found = document["$graph"]
    members = [mapping(one) for one in found] if isinstance(found, list) else []
    if [one.get("class") for one in members] != ["Workflow", "CommandLineTool"]:
        yield "$graph: a Workflow and a CommandLineTool are needed"
        return
    for member in members:
        kind = str(member["class"])
        yield from unknown(member, (_shared | _own[kind]) - {"cwlVersion", "$namespaces"}, f"$graph/{kind}")
    workflow, tool = members
    yield from _process(workflow, "Workflow", folder, tools=frozenset((f"#{tool.get('id')}",)))
    yield from _process(tool, "CommandLineTool", folder)
    yield from _image_rule(tool, folder)


def _file_head(document: dict[str, Any], known: set[str]) -> Problems:
    """Check the fields of a whole file: version, namespaces and metadata."""
    about = {key for key in document if re.fullmatch(r"s:\w+", key)}
    yield from unknown(document, known | about, "document")
    if document.get("cwlVersion") != "v1.2":
        yield f"cwlVersion: {document.get('cwlVersion')!r} is not v1.2"
    namespaces = document.get("$namespaces", {})
    if any(_namespaces.get(name) != address for name, address in mapping(namespaces).items()):
        yield "$namespaces: packmill writes only those of schema.org and cwltool"
    for key in about:
        yield from about_rule(key, document[key])


def _process(document: dict[str, Any], kind: str, folder: Path, *, tools: frozenset[str] = frozenset()) -> Problems:
    yield from name_rule("id", document.get("id"))  # addresses in a document are relative to its id
    for key in ("label", "doc"):
        yield from text_rule(key, document.get(key, ""))
    yield from _parameters("inputs", document.get("inputs"), _input)
    yield from _parameters("outputs", document.get("outputs"), _output)
    yield from _tool(document, folder) if kind == "CommandLineTool" else _workflow(document, folder, tools)


def _tool(document: dict[str, Any], folder: Path) -> Problems:
    requirements, hints = mapping(document.get("requirements")), mapping(document.get("hints", {}))
    if "DockerRequirement" not in requirements:
        yield "requirements: DockerRequirement is missing, so the tool would run on this machine"
    yield from requirement_rules("requirements", document.get("requirements", {}), tool_requirements)
    yield from requirement_rules("hints", document.get("hints", {}), tool_hints)
    entries = items(mapping(requirements.get("InitialWorkDirRequirement")).get("listing"))
    if "InplaceUpdateRequirement" in hints and not any(mapping(one).get("entryname") == "cache" for one in entries):
        yield "hints/InplaceUpdateRequirement: the tool has no cache to update"
    for key in ("baseCommand", "arguments"):
        for word in items(document.get(key, [])):
            yield from text_rule(key, word)
            if isinstance(word, str) and has_expression(word):
                yield f"{key}: the expression in {word!r} is not one of packmill's"
    if document.get("id") == "process" and "cwlVersion" in document:
        yield from _image_rule(document, folder)


def _image_rule(tool: dict[str, Any], folder: Path) -> Problems:
    requirements = mapping(tool.get("requirements"))
    image, recorded = mapping(requirements.get("DockerRequirement")).get("dockerPull"), _recorded_image(folder)
    if recorded and image and image != recorded:
        yield f"requirements/DockerRequirement: {image!r} is not the image of package.json, {recorded!r}"


def _workflow(document: dict[str, Any], folder: Path, tools: frozenset[str]) -> Problems:
    """Check a workflow, whose steps run ``tools`` of the same graph, or else documents of the package."""
    yield from requirement_rules("requirements", document.get("requirements", {}), workflow_requirements)
    yield from requirement_rules("hints", document.get("hints", {}), workflow_hints)
    steps = document.get("steps")
    if not isinstance(steps, dict):
        yield "steps: a mapping is needed"
    for name, step in mapping(steps).items():
        yield from name_rule("steps", name)
        yield from _step(f"steps/{name}", mapping(step))
    for runs in {str(mapping(step).get("run")): None for step in mapping(steps).values()}:
        if tools:
            if runs not in tools:
                yield f"steps: run: {runs!r} is not the tool of the graph"
        elif not re.fullmatch(r"\w[\w.-]*\.cwl", runs) or not is_file(folder / runs):
            yield f"steps: run: {runs!r} is not a document of the package"
        else:
            yield from (f"{runs}: {problem}" for problem in _document(folder / runs, folder, as_step=True))


def _step(where: str, step: dict[str, Any]) -> Problems:
    yield from unknown(step, {"label", "doc", "run", "in", "out", "scatter", "scatterMethod"}, where)
    if step.get("scatterMethod", "dotproduct") != "dotproduct":
        yield f"{where}: scatterMethod: {step['scatterMethod']!r} is not packmill's"
    for name in items(step.get("scatter", [])):
        yield from name_rule(f"{where}/scatter", name)
    if not isinstance(step.get("run"), str) or not isinstance(step.get("in"), dict):
        yield f"{where}: the name of a document and a mapping of its inputs are needed"
    for name, source in mapping(step.get("in")).items():
        place = f"{where}/in/{name}"
        yield from name_rule(place, name)
        one = source if isinstance(source, dict) else {"source": source}
        yield from unknown(one, {"source", "default", "valueFrom"}, place)
        yield from source_rule(place, one.get("source", ""))
        yield from default_rule(place, one.get("default"))
        if one.get("valueFrom", "$(self)") != "$(self)":
            yield f"{place}: the expression {one['valueFrom']!r} is not one of packmill's"
    for name in items(step.get("out")):
        yield from name_rule(f"{where}/out", name)


def _parameters(where: str, parameters: Any, rule: Callable[[str, dict[str, Any]], Problems]) -> Problems:
    if not isinstance(parameters, dict):
        yield f"{where}: a mapping is needed"
    for name, parameter in mapping(parameters).items():
        place = f"{where}/{name}"
        yield from name_rule(where, name)
        if not isinstance(parameter, dict):
            yield f"{place}: a mapping is needed"
            continue
        yield from type_rule(f"{place}/type", parameter.get("type"))
        for key in ("label", "doc"):
            yield from text_rule(f"{place}/{key}", parameter.get(key, ""))
        yield from rule(place, parameter)


def _input(where: str, parameter: dict[str, Any]) -> Problems:
    yield from unknown(parameter, {"type", "label", "doc", "default"}, where)
    yield from default_rule(where, parameter.get("default"))


def _output(where: str, parameter: dict[str, Any]) -> Problems:
    yield from unknown(parameter, {"type", "label", "doc", "outputBinding", "outputSource"}, where)
    yield from source_rule(where, parameter.get("outputSource", ""))
    binding = mapping(parameter.get("outputBinding", {}))
    yield from unknown(binding, {"glob"}, f"{where}/outputBinding")
    patterns = binding.get("glob", contract.output_folder)
    for pattern in patterns if isinstance(patterns, list) else [patterns]:
        yield from _pattern_rule(where, pattern)


def _pattern_rule(where: str, pattern: Any) -> Problems:
    if not isinstance(pattern, str) or has_expression(pattern) or pattern.split("/")[0] != contract.output_folder:
        yield f"{where}/outputBinding: {pattern!r} is not a pattern below output/"
    elif ".." in pattern.split("/"):
        yield f"{where}/outputBinding: {pattern!r} leaves the folder of the outputs"


def _recorded_image(folder: Path) -> str | None:
    try:
        image = read_record(folder)["image"]["reference"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return image if isinstance(image, str) else None
