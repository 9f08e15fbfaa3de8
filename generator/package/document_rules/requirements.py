"""Rules of requirements and hints: the few that packmill writes, each with the values that it writes."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from generator.package.document_rules.fields import Problems, items, mapping, name_rule, type_rule, unknown

Rule = Callable[[str, Any], Problems]

_entries = {"$(inputs)", "$(inputs.credentials)", "$(inputs.cache_dir)"}
"""The only values that packmill has an engine write into a working directory."""


def requirement_rules(where: str, found: Any, known: dict[str, Rule]) -> Problems:
    """Check all requirements in a mapping by class."""
    if not isinstance(found, dict):
        yield f"{where}: a mapping is needed"
        return
    for name, value in found.items():
        if name in known:
            yield from known[name](f"{where}/{name}", value)
        else:
            yield f"{where}: packmill writes no {name}"


def _docker(where: str, value: Any) -> Problems:
    yield from unknown(mapping(value), {"dockerPull"}, where)
    image = mapping(value).get("dockerPull")
    if not isinstance(image, str) or not re.fullmatch(r"[A-Za-z0-9][\w.:/@+-]*", image):
        yield f"{where}/dockerPull: {image!r} is not an image name"


def _working_folder(where: str, value: Any) -> Problems:
    yield from unknown(mapping(value), {"listing"}, where)
    for entry in items(mapping(value).get("listing")):
        one = mapping(entry)
        yield from unknown(one, {"entryname", "entry", "writable"}, where)
        name = one.get("entryname")
        if not isinstance(name, str) or not re.fullmatch(r"\.?\w[\w.-]*", name):
            yield f"{where}: {name!r} is not a plain file name"
        if one.get("entry") not in _entries:
            yield f"{where}: the entry {one.get('entry')!r} is not one of packmill's"


def _records(where: str, value: Any) -> Problems:
    yield from unknown(mapping(value), {"types"}, where)
    for one in items(mapping(value).get("types")):
        yield from type_rule(where, one)


def _secrets(where: str, value: Any) -> Problems:
    yield from unknown(mapping(value), {"secrets"}, where)
    for name in items(mapping(value).get("secrets")):
        yield from name_rule(where, name)


def _scalars(pattern: str, *names: str) -> Rule:
    """Return the rule of a requirement whose fields all match ``pattern``: numbers, or true and false."""

    def rule(where: str, value: Any) -> Problems:
        if not isinstance(value, dict):
            yield f"{where}: a mapping is needed"
        yield from unknown(mapping(value), set(names), where)
        for name, item in mapping(value).items():
            if not isinstance(item, str) or not re.fullmatch(pattern, item):
                yield f"{where}/{name}: {item!r} is not what packmill writes"

    return rule


_yes_or_no, _number = "true|false", r"\d+(\.\d+)?"
_sizes = ("coresMin", "coresMax", "ramMin", "ramMax", "tmpdirMin", "tmpdirMax", "outdirMin", "outdirMax")


def _cuda(where: str, value: Any) -> Problems:
    known = {"cudaVersionMin", "cudaComputeCapability", "cudaDeviceCountMin"}
    yield from unknown(mapping(value), known, where)
    for name in known & mapping(value).keys():
        if not re.fullmatch(r"\d{1,4}(\.\d{1,3})?", str(value[name])):
            yield f"{where}/{name}: {value[name]!r} is not what packmill writes"


tool_requirements: dict[str, Rule] = {
    "DockerRequirement": _docker,
    "InitialWorkDirRequirement": _working_folder,
    "NetworkAccess": _scalars(_yes_or_no, "networkAccess"),
    "ResourceRequirement": _scalars(_number, *_sizes),
    "SchemaDefRequirement": _records,
    "ToolTimeLimit": _scalars(_number, "timelimit"),
    "WorkReuse": _scalars(_yes_or_no, "enableReuse"),
}
tool_hints: dict[str, Rule] = {
    "cwltool:CUDARequirement": _cuda,
    "cwltool:Secrets": _secrets,
    "InplaceUpdateRequirement": _scalars(_yes_or_no, "inplaceUpdate"),
}
workflow_requirements: dict[str, Rule] = {
    "ScatterFeatureRequirement": _scalars(_yes_or_no),
    "SchemaDefRequirement": _records,
    "StepInputExpressionRequirement": _scalars(_yes_or_no),
}
workflow_hints: dict[str, Rule] = {"cwltool:Secrets": _secrets}
