"""Pass the values of a run to a notebook in another tool's dialect, as its `Placement` describes."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import groupby
from typing import Any

from generator.notebook.placement import Edit, Placement
from generator.runner.document.injection import ChangeableNotebook, Translator, inject

_CLOSING_TAG = "injected-outputs"


def place(
    document: ChangeableNotebook,
    parameters: Mapping[str, Any],
    translator: Translator,
    placement: Placement,
    *,
    report_mode: bool,
) -> int | None:
    """Edit the cells, add the closing cell, and return the index of the injected cell if one is needed."""
    _edit(document, parameters, translator, placement.edits)
    if placement.closing:
        document.insert(len(document), _closing_cell(document, placement.closing))
    edited = {edit.parameter for edit in placement.edits}
    assigned = {name: value for name, value in parameters.items() if name not in edited}
    if not assigned:
        return None
    source = _set_variables(assigned, translator, placement.variables)
    return inject(document, assigned, translator, report_mode=report_mode, after=placement.after, source=source)


def _edit(
    document: ChangeableNotebook, parameters: Mapping[str, Any], translator: Translator, edits: tuple[Edit, ...]
) -> None:
    """Apply the edits of each cell from its end, so that the offsets before them stay valid."""
    ordered = sorted(edits, key=lambda edit: (edit.cell, edit.start, edit.end), reverse=True)
    for number, of_cell in groupby(ordered, key=lambda edit: edit.cell):
        cell = document.cell(number - 1)
        source = cell["source"]
        for edit in of_cell:
            if not edit.parameter:
                source = source[: edit.start] + edit.text + source[edit.end :]
            elif edit.parameter in parameters:
                literal = translator.literal(parameters[edit.parameter])
                source = source[: edit.start] + edit.text + literal + source[edit.end :]
        cell["source"] = source


def _set_variables(assigned: Mapping[str, Any], translator: Translator, variables: tuple[str, ...]) -> str | None:
    """Return the source that sets environment variables, or None without such parameters."""
    texts = {name: _variable_text(value) for name, value in assigned.items() if name in variables}
    if not texts:
        return None
    lines = [f"os.environ[{translator.literal(name)}] = {translator.literal(text)}" for name, text in texts.items()]
    return "\n".join(["# Parameters", "import os", "", *lines, ""])


def _variable_text(value: Any) -> str:
    """Return a value as the text of a variable; ``bool()`` of the text is the boolean."""
    if value is False:
        return ""
    return str(value)


def _closing_cell(document: ChangeableNotebook, source: str) -> dict[str, Any]:
    return {
        "cell_type": "code",
        "execution_count": None,
        "id": document.new_id(_CLOSING_TAG),
        "metadata": {"tags": [_CLOSING_TAG]},
        "outputs": [],
        "source": source,
    }
