"""The rules of MAAP's API, which reads a document's metadata with patterns from its text.

Source: ``get_cwl_metadata`` in ``api/utils/ogc_process_util.py`` of https://github.com/MAAP-Project/maap-api-nasa. A
pattern finds the first place in the text that fits, in a description as well, so each value that it finds has to be the
document's own. The API keeps quotation marks, and names the deployed process by identifier and version.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from generator.package.document_rules.fields import items, mapping
from generator.package.oracles.documents import FOR_PLATFORMS, existing
from generator.package.oracles.opinion import Opinion
from generator.package.plain_document import read_document
from generator.shared.errors import DocumentError

name = "MAAP"
profile = "maap"
loads = True  # it reads the text, which of a link would be that of another file
_PATTERNS = (
    ("s:version", r"s:version:\s*(\S+)"),
    ("s:codeRepository", r"s:codeRepository:\s*(\S+)"),
    ("s:commitHash", r"s:commitHash:\s*(\S+)"),
    ("s:keywords", r"s:keywords:\s*(.*)"),
)


def documents(folder: Path) -> list[Path]:
    """List the documents for platforms."""
    return existing(folder, *FOR_PLATFORMS)


def judge(documents: Sequence[Path]) -> list[Opinion]:
    """Report what the API would refuse, or read as another value than the document has."""
    return [_opinion(document) for document in documents]


def _opinion(path: Path) -> Opinion:
    try:
        document, text = mapping(read_document(path)), path.read_text(encoding="utf-8")
    except DocumentError as error:
        return Opinion(faults=(str(error),))
    read = {key: found[1] if (found := re.search(pattern, text, re.IGNORECASE)) else None for key, pattern in _PATTERNS}
    quoted = [
        f"{key}: the API reads {value} with the quotation marks" for key, value in read.items() if _is_quoted(value)
    ]
    return Opinion(faults=(*_text_faults(read, document), *_graph_faults(document)), warnings=tuple(quoted))


def _is_quoted(text: str | None) -> bool:
    return text is not None and text[:1] in ("'", '"')


def _text_faults(read: dict[str, str | None], document: dict[str, Any]) -> Iterator[str]:
    for key, text in read.items():
        value = document.get(key)
        if value is not None and not isinstance(value, str):
            yield f"{key}: the API reads one line of text"
        elif value != (text[1:-1] if text is not None and _is_quoted(text) else text):
            yield f"{key}: the API reads {text!r} instead of {value!r}"
    version = document.get("s:version")
    if not version:
        yield "s:version: missing"
    elif ":" in version:
        yield "s:version: a colon is not allowed"


def _graph_faults(document: dict[str, Any]) -> Iterator[str]:
    processes = [mapping(one) for one in items(document.get("$graph"))]
    workflow = next((one for one in processes if one.get("class") == "Workflow"), None)
    if workflow is None:
        yield "a $graph with a Workflow is missing"
        return
    if document.get("cwlVersion") != "v1.2":
        yield "cwlVersion: the API reads v1.2 alone"
    if not str(workflow.get("id", "")).lstrip("#"):
        yield "the Workflow has no id"
    yield from _step_faults(workflow, processes)


def _step_faults(workflow: dict[str, Any], processes: list[dict[str, Any]]) -> Iterator[str]:
    """Check the tool of the first step, which the API takes for that of the process."""
    steps = workflow.get("steps")
    first = mapping(next(iter(steps.values() if isinstance(steps, dict) else items(steps)), {}))
    target = str(first.get("run", "")).rpartition("/")[2].lstrip("#")
    tools = [one for one in processes if one.get("class") == "CommandLineTool"]
    tool = next((one for one in tools if target and str(one.get("id", "")).endswith(target)), None)
    if tool is None:
        yield "the first step runs no CommandLineTool of the document"
        return
    if str(tool.get("id", "")).lstrip("#") != target:
        yield f"the API takes {tool.get('id')!r} for the tool of the first step, {target!r}"
    if not tool.get("baseCommand"):
        yield f"{target}: baseCommand is missing"
    resources = _requirement(tool, "ResourceRequirement")
    for key in ("ramMin", "coresMin"):
        if not str(resources.get(key, "")).isdigit():
            yield f"{target}: ResourceRequirement needs a whole number as {key}"


def _requirement(tool: dict[str, Any], kind: str) -> dict[str, Any]:
    listed = tool.get("requirements")
    if isinstance(listed, dict):
        return mapping(listed.get(kind))
    return next((one for one in map(mapping, items(listed)) if one.get("class") == kind), {})
