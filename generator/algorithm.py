"""The interface of a shell process: MAAP's ``algorithm_config.yml``.

Two forms are in use: the newer one lists ``inputs`` as records with name, type and default; the older one groups
their names under ``file``, ``config`` and ``positional``.
"""

from __future__ import annotations

import json
import posixpath
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from generator.errors import Mistake, ParametersError
from generator.hints import UnknownHintError, parse_hint
from generator.interface import Input, Interface, Output, output_path
from generator.literals import MisfitError, fit, fitted_hint, hint_of
from generator.parameters import CwlType, Hint, Literal, Missing, Remark

_NAMES = ("algorithm_config.yml", "algorithm_config.yaml")
_METADATA = (
    "author",
    "contributor",
    "citation",
    "license",
    "release_notes",
    "keywords",
    "code_repository",
    "algorithm_version",
)
_USED = {
    *_METADATA, "algorithm_name", "algorithm_description", "description", "run_command", "build_command", "ram_min",
    "cores_min", "outdir_max", "inputs", "outputs", "disk_space", "queue", "docker_container_url", "repository_url",
    "algo_name", "version", "environment", "docker_url",
}  # fmt: skip


@dataclass(frozen=True, kw_only=True, slots=True)
class Resources:
    """What a run needs: ``cores``, ``ram`` and ``outdir`` in MiB, as CWL's ResourceRequirement counts."""

    cores: int = 1
    ram: int = 2048
    outdir: int = 1024


@dataclass(frozen=True, kw_only=True, slots=True)
class Algorithm:
    """All that an algorithm_config says."""

    title: str
    doc: str
    interface: Interface
    resources: Resources
    metadata: tuple[tuple[str, str], ...]


def find_algorithm_config(folder: Path, process: str) -> str | None:
    """The algorithm_config beside the process, else at the repository's top."""
    top = folder.resolve()
    for place in dict.fromkeys((posixpath.dirname(process), "")):
        for name in _NAMES:
            path = posixpath.join(place, name)
            if (folder / path).is_file() and (folder / path).resolve().is_relative_to(top):
                return path
    return None


def read_algorithm_config(path: Path, name: str) -> Algorithm:
    """The interface, resources and metadata in a file; ``name`` is for messages.

    Raises:
        ParametersError: it is not YAML, or an input or output in it cannot be understood.
    """
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    try:
        document = YAML().load(path.read_text(encoding="utf-8"))
    except (YAMLError, ValueError) as error:
        mark = getattr(error, "problem_mark", None)
        line = (mark.line + 1) if mark else 1
        problem = getattr(error, "problem", None) or str(error)
        raise ParametersError(
            where=name, mistakes=[Mistake(line=line, text="", message=f"not valid YAML: {problem}")]
        ) from None
    if not isinstance(document, dict):
        raise ParametersError(where=name, mistakes=[Mistake(line=1, text="", message="a mapping is needed")])
    mistakes: list[Mistake] = []
    inputs = tuple(_inputs(document.get("inputs"), mistakes))
    outputs = tuple(_outputs(document.get("outputs"), mistakes))
    if mistakes:
        raise ParametersError(where=name, mistakes=mistakes)
    unused = sorted(str(key) for key in document if key not in _USED)
    warnings = (Remark(line=0, message=f"{name}: not used: {', '.join(unused)}"),) if unused else ()
    return Algorithm(
        title=str(document.get("algorithm_name") or document.get("algo_name") or ""),
        doc=str(document.get("algorithm_description") or document.get("description") or ""),
        interface=Interface(inputs=inputs, outputs=outputs, warnings=warnings),
        resources=_resources(document),
        metadata=tuple((key, _text(document[key])) for key in _METADATA if document.get(key)),
    )


def _text(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _resources(document: dict[str, Any]) -> Resources:
    usual = Resources()

    def whole(key: str, default: int) -> int:
        value = document.get(key)
        return max(1, int(value)) if isinstance(value, int | float) else default

    return Resources(
        cores=whole("cores_min", usual.cores), ram=whole("ram_min", usual.ram), outdir=whole("outdir_max", usual.outdir)
    )


def _inputs(listed: Any, mistakes: list[Mistake]) -> list[Input]:
    inputs = []
    for record in _records(listed, mistakes):
        name = str(record.get("name", "")).strip()
        try:
            hint = parse_hint(str(record["type"]))[0] if record.get("type") else None
            inputs.append(_input(name, hint, record))
        except (UnknownHintError, MisfitError) as error:
            mistakes.append(Mistake(line=_line(record), text=f"- name: {name}", message=f"{name} {error}"))
    return inputs


def _input(name: str, hint: Hint | None, record: dict[str, Any]) -> Input:
    if not name:
        raise MisfitError("an input needs a name")
    default: Literal | Missing = Missing.UNSET
    if record.get("default") is not None:
        default = json.loads(json.dumps(record["default"], default=str))  # plain values; a date becomes text
    hint = hint or (Hint(type=CwlType.STRING) if isinstance(default, Missing) else hint_of(default))
    if not isinstance(default, Missing) and hint.type not in (CwlType.FILE, CwlType.DIRECTORY):
        default = fit(default, hint)
        hint = fitted_hint(hint, default)
    if isinstance(default, Missing) and (record.get("required") is False or "default" in record):
        hint = replace(hint, optional=True)
    doc = " ".join(str(record.get(key) or "") for key in ("doc", "description", "label")).strip()
    return Input(name=name, hint=hint, default=default, doc=doc, line=_line(record))


def _records(listed: Any, mistakes: list[Mistake]) -> list[dict[str, Any]]:
    if listed is None:
        return []
    if isinstance(listed, dict):
        grouped = ((group, item) for group in ("file", "config", "positional") for item in listed.get(group) or [])
        kinds = {"file": "File", "config": None, "positional": None}
        return [
            {"type": kinds[group], **(item if isinstance(item, dict) else {"name": item})} for group, item in grouped
        ]
    if isinstance(listed, list) and all(isinstance(item, dict) for item in listed):
        return listed
    mistakes.append(Mistake(line=1, text="inputs:", message="a list of records with 'name' and 'type' is needed"))
    return []


def _outputs(listed: Any, mistakes: list[Mistake]) -> list[Output]:
    outputs = []
    for record in _records(listed, mistakes):
        name = str(record.get("name", "")).strip()
        try:
            outputs.append(_output(name, record))
        except (UnknownHintError, MisfitError) as error:
            mistakes.append(Mistake(line=_line(record), text=f"- name: {name}", message=f"{name} {error}"))
    return outputs


def _output(name: str, record: dict[str, Any]) -> Output:
    kind = parse_hint(str(record.get("type") or "File"))[0]
    if kind.type not in (CwlType.FILE, CwlType.DIRECTORY) or not name:
        raise MisfitError(f"is {record.get('type')!r}; an output needs a name and is File or Directory")
    return Output(
        name=name,
        type=kind.type,
        glob=output_path(str(record.get("glob") or name), ""),
        array=kind.array,
        optional=kind.optional,
        doc=str(record.get("doc") or ""),
        line=_line(record),
    )


def _line(record: Any) -> int:
    position = getattr(record, "lc", None)
    return position.line + 1 if position is not None else 1
