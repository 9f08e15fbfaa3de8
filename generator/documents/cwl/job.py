"""``inputs.yml``: a job file with every input, ready to edit and, where every input has an example value, to run."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ruamel.yaml.comments import CommentedMap

from generator.documents.context import DocumentContext
from generator.documents.cwl.process import carried_default, shown_type
from generator.documents.examples import default_paths, is_address
from generator.documents.text import flow, plain, yaml_text
from generator.notebook.interface import Input
from generator.notebook.parameters import CwlType, Missing, Role
from generator.shared import contract

_FILES = (CwlType.FILE, CwlType.DIRECTORY)


def emit(context: DocumentContext) -> dict[str, str]:
    """Return ``inputs.yml``."""
    return {"inputs.yml": inputs_yml(context)}


def inputs_yml(context: DocumentContext) -> str:
    """Return the text of ``inputs.yml``."""
    examples = context.example_names
    document = CommentedMap()
    document.yaml_set_start_comment(
        f"Inputs of {context.title}\nrun with: packmill run . inputs.yml   or   cwltool process.cwl inputs.yml"
    )
    unset = []
    for one in context.process.interface.inputs:
        if one.hint.secret and not one.required:
            # cwltool's store of secrets takes text alone, and no null
            unset.append(f"\n{_commented(_comment(one))}\n# {one.id}: ''\n")
            continue
        value = _value(one, examples)
        form = f"\n{_form(one)}" if value is None and one.required and one.hint.type in _FILES else ""
        document[one.id] = value
        document.yaml_set_comment_before_after_key(one.id, before=f"\n{_comment(one)}{form}")
    if context.process.is_notebook:
        template = context.output_template or "{{ args.year }}/{{ args.notebook_name }}.ipynb"
        shown = json.dumps(template, ensure_ascii=False)
        unset.append(f"\n# where the executed notebook goes, below output/\n# {contract.template_input}: {shown}\n")
    if context.process.interface.outputs:
        unset.append(_hinted("where the results go, an address, a record or a folder's name", "stage_out: results"))
    if context.process.interface.stage_ins:
        unset.append(_hinted("keeps what was fetched for the next run", "cache_dir: {class: Directory, path: cache}"))
    text = yaml_text(document) if document else f"# Inputs of {context.title}: none need a value\n{{}}\n"
    return text + "".join(unset)


def _hinted(what: str, line: str) -> str:
    return f"\n# for workflow.cwl: {what}\n# {line}\n"


def _commented(text: str) -> str:
    return "\n".join(f"# {line}" for line in text.splitlines())


def _comment(one: Input) -> str:
    lines = one.doc.splitlines() if one.doc else []
    need = "needed" if one.required else "staged in" if one.hint.role is Role.STAGE_IN else ""
    if one.hint.role is Role.STAGE_IN:
        need += "; with workflow.cwl also a URL or a record"
    words = ", ".join(filter(None, (shown_type(one), need)))
    if one.hint.secret and not one.required:
        words += "; to give it, remove the # before the last line"
    elif isinstance(carried_default(one), Missing) and not one.required:
        words += "; null: the process's own default"
    return "\n".join([*lines, words])


def _value(one: Input, examples: Mapping[str, str]) -> Any:
    if one.hint.secret:
        return ""
    if one.hint.type in _FILES:
        return _files(one, examples)
    default = carried_default(one)
    return None if isinstance(default, Missing) else plain(default)


def _files(one: Input, examples: Mapping[str, str]) -> Any:
    """Return the default's files that exist: those of the package, and the addresses of a stage-in; else null."""
    if one.default == []:
        return flow([])
    paths = default_paths(one.default)
    if one.hint.role is Role.VALUE:
        paths = [path for path in paths if path in examples]
    entries = [_file(one.hint.type, examples.get(path, path)) for path in paths if path in examples or is_address(path)]
    return (entries if one.hint.array else entries[0]) if entries else None


def _file(kind: CwlType, path: str) -> Any:
    """Return a File, a Directory, or the address of a folder: cwltool makes an empty folder of one that is missing."""
    return path if kind is CwlType.DIRECTORY and is_address(path) else {"class": str(kind), "path": path}


def _form(one: Input) -> str:
    """Return the form of a value, with the author's path if it is one of the repository."""
    path = next(iter(default_paths(one.default)), "PATH")
    if path.startswith(("/", "~", "file:")) or ".." in path.split("/"):
        path = "PATH"
    form = yaml_text(flow({"class": str(one.hint.type), "path": path})).strip()
    return f"for example {f'[{form}]' if one.hint.array else form}"
