"""The groups and the controls of the form that starts a pipeline."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from generator.service.project.pipeline_file import Variable

_GROUPS = {
    "Notebook": ("parameters_cell", "kernel", "language", "output_template"),
    "Image": ("standard_buildpacks", "kernel_gateway", "no_submodules", "no_cache"),
    "Resources of a run": ("cores", "ram", "disk", "time", "gpu"),
    "Documents and publishing": (
        "emit", "scatter", "registry", "destination", "destination_branch", "destination_address", "deploy", "replace",
    ),
}  # fmt: skip
_YES, _SWITCH = "yes", "'yes' "


@dataclass(frozen=True, kw_only=True, slots=True)
class Control:
    """A variable in the form; ``kind`` is text, lines, select or checkbox."""

    name: str
    kind: str
    text: str
    description: str
    options: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Group:
    """Controls below one title, folded unless one of them has a value of its own; without a title always shown."""

    title: str
    controls: tuple[Control, ...]
    is_open: bool


def groups(variables: Iterable[Variable], given: Mapping[str, Any]) -> list[Group]:
    """Return the groups of a form; the first one has the source and every variable that is in no other group."""
    listed = list(variables)
    placed = {name: title for title, names in _GROUPS.items() for name in names}
    found = []
    for title in ("", *_GROUPS):
        mine = [one for one in listed if placed.get(one.name, "") == title]
        changed = any(str(given.get(one.name, one.value)) != one.value for one in mine)
        if mine:
            controls = tuple(_control(one, given) for one in mine)
            found.append(Group(title=title, controls=controls, is_open=changed))
    return found


def _control(variable: Variable, given: Mapping[str, Any]) -> Control:
    is_switch = variable.description.startswith(_SWITCH) and variable.value != _YES and not variable.options
    kind = "checkbox" if is_switch else "select" if variable.options else "text"
    text = str(given.get(variable.name, variable.value))
    has_lines = variable.name == "process" or "\n" in text.strip()  # browsers remove line breaks from a text field
    return Control(
        name=variable.name,
        kind="lines" if has_lines and kind == "text" else kind,
        text=text,
        description=variable.description.removeprefix(_SWITCH) if is_switch else variable.description,
        options=tuple(map(str, variable.options)),
    )
