"""Advice about cells that a run cannot set: no cell has the tag ``parameters``, or several have it."""

from __future__ import annotations

from collections.abc import Sequence

from generator.notebook.languages import reader_of
from generator.notebook.notebook import METADATA_TAG, Cell, Notebook
from generator.notebook.parameters import Missing, Parameter, Remark
from generator.notebook.text_formats import ending_of

_PREVIEW_TAG_HELP = (
    "select it in JupyterLab, open the property inspector (the gear at the top right) and add the cell tag 'parameters'"
)


def later_cells(notebook: Notebook, later: Sequence[Cell]) -> list[Remark]:
    """Name the parameters of further cells with the tag, which a run cannot set."""
    remarks = []
    for cell in later:
        names = ", ".join(parameter.name for parameter in _names_in(notebook, cell))
        effect = f"a run cannot set {names}" if names else "remove the tag"
        message = f"cell {cell.number} is tagged 'parameters' too, but only the first one counts: {effect}"
        remarks.append(Remark(line=0, message=message))
    return remarks


def untagged_advice(notebook: Notebook) -> str:
    """Explain how to tag a cell, and name the cell that looks like parameters."""
    advice = "no cell is tagged 'parameters': the process has no inputs"
    how = text_advice(notebook) or _PREVIEW_TAG_HELP
    if cell := likely_parameters_cell(notebook):
        names = ", ".join(parameter.name for parameter in _literals(notebook, cell)[:5])
        return f"{advice}. Cell {cell.number} looks like parameters ({names}): {how}"
    return f"{advice}. To add inputs, set them in a cell of their own; {how}"


def likely_parameters_cell(notebook: Notebook) -> Cell | None:
    """Return the first cell that sets a plain value."""
    code = (cell for cell in notebook.cells if cell.kind == "code" and METADATA_TAG not in cell.tags)
    return next((cell for cell in code if cell.source.strip() and _literals(notebook, cell)), None)


def _literals(notebook: Notebook, cell: Cell) -> list[Parameter]:
    return [one for one in _names_in(notebook, cell) if not isinstance(one.default, Missing)]


def text_advice(notebook: Notebook) -> str:
    """Return how the cell of a text notebook gets the tag; empty for other notebooks."""
    ending = ending_of(notebook.name)
    if ending == ".rmd" and notebook.language == "r":
        return "list them under params: in the header, as in R Markdown"
    if ending in (".qmd", ".rmd"):
        return "begin its chunk with the line #| tags: [parameters]"
    if ending == ".py":
        return 'begin it with the line # %% tags=["parameters"]'
    if ending == ".md":
        fence = f'```{notebook.language or "python"} tags=["parameters"]'
        return f"begin it with the line {fence}, or in MyST :tags: [parameters]"
    return ""


def _names_in(notebook: Notebook, cell: Cell) -> list[Parameter]:
    """Read the parameters of any cell; none in a language that cannot be read."""
    read = reader_of(cell.language or notebook.language or "python")
    return list(read(cell.source).parameters) if read else []
