"""What ``process.cwl`` requires of the container of a run."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from generator.package.job_file import read_yaml
from generator.shared import contract
from generator.shared.errors import DocumentError
from generator.shared.yaml_limits import read_text

_OWN_OPTIONS = (contract.inputs_option, contract.output_option)


@dataclass(frozen=True, kw_only=True, slots=True)
class Tool:
    """The image of a process and what it needs; memory and disk in MiB, time in seconds."""

    image: str
    arguments: tuple[str, ...]
    cores: float
    ram: float
    time: float | None
    needs_network: bool
    disk: float = 0
    gpus: int = 0


def read_tool(document: Path) -> Tool:
    """Read ``process.cwl``.

    Raises:
        DocumentError: it is not a document of packmill.
    """
    try:
        tool = read_yaml(read_text(document))
        needs = tool["requirements"]
        resources = needs.get("ResourceRequirement", {})
        _check_command(tool["baseCommand"])
        return Tool(
            image=str(needs["DockerRequirement"]["dockerPull"]),
            arguments=(
                *_shared_arguments([_unescape(str(word)) for word in tool["arguments"]]),
                *_default_template(tool["inputs"]),
            ),
            cores=_number(resources.get("coresMin"), 1),
            ram=_number(resources.get("ramMin"), 0),
            time=_number(needs.get("ToolTimeLimit", {}).get("timelimit"), 0) or None,
            needs_network=needs.get("NetworkAccess", {}).get("networkAccess") is True,
            disk=_number(resources.get("outdirMin"), 0),
            gpus=int(_number(tool.get("hints", {}).get("cwltool:CUDARequirement", {}).get("cudaDeviceCountMin"), 0)),
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError, ArithmeticError) as error:
        raise DocumentError(f"{document}: cannot be run as packmill's own document: {error}") from None


def _check_command(command: Any) -> None:
    if command != ["packmill-runner", "run"]:
        raise ValueError("its command is not packmill-runner")


def _shared_arguments(words: Sequence[str]) -> tuple[str, ...]:
    """Return the arguments that all rows share: without those of inputs and outputs."""
    kept: list[str] = []
    rest = iter(words)
    for word in rest:
        if word in _OWN_OPTIONS:
            next(rest, None)
        else:
            kept.append(word)
    return tuple(kept)


def _default_template(inputs: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the option for the path of the executed notebook that a build chose; a row's own value replaces it."""
    default = inputs.get(contract.template_input, {}).get("default")
    return (contract.template_option, default) if isinstance(default, str) else ()


def _unescape(text: str) -> str:
    """Undo `generator.documents.cwl.process.escape`."""
    return re.sub(r"\\(\\(?=\\?\$[({])|\$(?=[({]))", r"\1", text)


def _number(value: Any, otherwise: float) -> float:
    return float(value) if isinstance(value, int | float) else otherwise
