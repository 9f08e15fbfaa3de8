"""R Markdown's ``params``: declared in the header, and defined by a cell whose values a run replaces."""

from __future__ import annotations

from generator.notebook.dialects.dialect import Dialect
from generator.notebook.notebook import Cell, Notebook
from generator.notebook.parameters import Reading, Remark
from generator.notebook.placement import Edit, Placement
from generator.notebook.text_formats.knitr_params import params_cell, read_params


def refine(notebook: Notebook, cell: Cell) -> Dialect | None:
    """Read the header, which is the first cell; None if the cell is no longer the one made of it."""
    header = notebook.cells[0]
    params = read_params(header.source, notebook.name, before=header.before)
    made = params_cell(params)
    if made.source != cell.source:
        return None
    usable = [one for one in params if one.name.isidentifier()]
    remarks = tuple(
        Remark(line=one.line, message=f"{one.name!r} cannot be set: a parameter is a word of letters, digits and _")
        for one in params
        if not one.name.isidentifier()
    )
    parameters = tuple(one.as_parameter() for one in usable)
    mistakes = tuple(one.mistake for one in usable if one.mistake)
    edits = []
    for one in usable:
        start, end = made.spans[one.name]
        edits.append(Edit(cell=cell.number, start=start, end=end, parameter=one.name))
    return Dialect(
        name="R Markdown's params",
        reading=Reading(parameters=parameters, remarks=remarks, mistakes=mistakes),
        placement=Placement(edits=tuple(edits)),
    )
