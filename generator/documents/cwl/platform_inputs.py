"""The inputs of ``application.cwl``: plain types that every platform takes, and what the runner makes of their values.

- A stage-in is a folder with a STAC catalog, or a list of folders (OGC 20-089r1, ``/req/app-pck-stage-in``).
- An optional list is a list that is empty by default: several tools refuse a union of null and an array.
- Any is text, read as JSON.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from generator.documents.cwl.process import input_entry
from generator.documents.text import flow, plain, prose
from generator.notebook.interface import Input, type_name
from generator.notebook.parameters import CwlType, Missing, Role
from generator.process.process import Process
from generator.shared import contract


def platform_input(one: Input) -> dict[str, Any]:
    """Return an input with a plain type, a label and a doc."""
    if one.hint.role is Role.STAGE_IN:
        entry = _staged(one)
    elif is_json_text(one):
        entry = _json_text(one)
    else:
        entry = input_entry(one)
    if _is_list(one) and one.hint.type is not CwlType.ANY:
        entry["type"] = str(entry["type"]).removesuffix("?")
    if _is_empty_by_default(one):
        entry["default"] = flow([])
        entry["doc"] = _explained(entry, "An empty list stands for the process's own default.")
    return entry


def platform_arguments(process: Process) -> list[str]:
    """Return the options of the runner for inputs whose values have another form than the process expects."""
    words: list[str] = []
    for one in process.interface.inputs:
        if one.hint.role is Role.STAGE_IN and type_name(one.hint) not in ("Directory", "Directory[]"):
            words += [contract.staged_option, f"{one.id}={type_name(one.hint)}"]
        if is_json_text(one) or _is_empty_by_default(one):
            words += [contract.plain_option, one.id]
    return words


def platform_type(one: Input) -> str:
    """Return the name of the type in the document, such as ``Directory`` or ``enum``, without a question mark."""
    kind = CwlType.DIRECTORY if one.hint.role is Role.STAGE_IN else one.hint.type
    if is_json_text(one):
        return str(CwlType.STRING)
    return type_name(replace(one.hint, type=kind, array=_is_list(one)))


def is_json_text(one: Input) -> bool:
    """Whether an input has any value, which is given as JSON in a text."""
    return one.hint.type is CwlType.ANY and one.hint.role is Role.VALUE


def _staged(one: Input) -> dict[str, Any]:
    entry = input_entry(replace(one, hint=replace(one.hint, type=CwlType.DIRECTORY, array=_is_list(one))))
    files = "" if one.hint.type is CwlType.DIRECTORY else f"; the process gets its assets as {type_name(one.hint)}"
    entry["doc"] = _explained(entry, f"A folder with a STAC catalog, catalog.json{files}.")
    return entry


def _is_list(one: Input) -> bool:
    """Whether an input is a list in the document: files that are staged in share one folder."""
    return one.hint.array and (one.hint.role is Role.VALUE or one.hint.type is CwlType.DIRECTORY)


def _is_empty_by_default(one: Input) -> bool:
    """Whether an input is an optional list whose default is not in the document."""
    if not _is_list(one) or one.hint.type is CwlType.ANY:
        return False
    entry = input_entry(one)
    return str(entry["type"]).endswith("?") and "default" not in entry


def _json_text(one: Input) -> dict[str, Any]:
    entry = input_entry(replace(one, default=Missing.UNSET if one.required else Missing.COMPUTED, hint=_as_text(one)))
    if not isinstance(one.default, Missing):  # text, in which CWL's loader changes nothing
        entry |= {"type": "string", "default": plain(json.dumps(one.default, ensure_ascii=False))}
    entry["doc"] = _explained(entry, "A value in JSON; other text is the value itself.")
    return entry


def _as_text(one: Input) -> Any:
    return replace(one.hint, type=CwlType.STRING, array=False)


def _explained(entry: dict[str, Any], sentence: str) -> Any:
    """Return the doc of an input with a sentence about its form; the label alone is not repeated."""
    doc = str(entry["doc"]).strip()
    return prose(sentence if doc == entry["label"] else f"{doc}\n{sentence}")
