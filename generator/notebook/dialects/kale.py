"""Kale: the assignments of the cells tagged ``pipeline-parameters``, whose values are numbers, booleans and texts."""

from __future__ import annotations

import ast

from generator.notebook.dialects.dialect import Dialect
from generator.notebook.dialects.literal_hints import hint_of_scalar
from generator.notebook.dialects.python_cells import PythonCell, python_cells
from generator.notebook.languages.python import literal_of
from generator.notebook.notebook import Notebook
from generator.notebook.parameters import Parameter, Reading, Remark
from generator.notebook.placement import Edit, Placement

_TAG = "pipeline-parameters"
_METRICS_TAG = "pipeline-metrics"


def read(notebook: Notebook) -> Dialect:
    """Read the tagged cells; a metric that the notebook prints is recorded as a scrap."""
    remarks: list[Remark] = []
    tagged = {cell.number for cell in notebook.cells_with_tag(_TAG)}
    metrics = {cell.number for cell in notebook.cells_with_tag(_METRICS_TAG)}
    parameters: dict[str, Parameter] = {}
    edits: list[Edit] = []
    closing: list[str] = []
    for cell in python_cells(notebook, "", remarks, numbers=tagged | metrics):
        if cell.number in metrics:
            closing += [f"glue({name!r}, {name})" for name in _printed(cell)]
            continue
        for statement in cell.tree.body:
            _add(cell, statement, parameters, edits, remarks)
    if closing:
        closing.insert(0, "from packmill import glue\n")
    return Dialect(
        name="Kale's cells tagged 'pipeline-parameters'",
        reading=Reading(parameters=tuple(parameters.values()), remarks=tuple(remarks)),
        placement=Placement(edits=tuple(edits), closing="\n".join(closing)),
    )


def _add(
    cell: PythonCell,
    statement: ast.stmt,
    parameters: dict[str, Parameter],
    edits: list[Edit],
    remarks: list[Remark],
) -> None:
    """Add an assignment of a literal to one name; Kale refuses all other statements."""
    target = statement.targets[0] if isinstance(statement, ast.Assign) and len(statement.targets) == 1 else None
    value = literal_of(statement.value) if isinstance(statement, ast.Assign) else None
    hint = hint_of_scalar(value)
    if not isinstance(statement, ast.Assign) or not isinstance(target, ast.Name) or hint is None:
        if not (isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)):
            message = (
                f"cell {cell.number}, line {statement.lineno}: not an input: Kale takes numbers, booleans and texts"
            )
            remarks.append(Remark(line=0, message=message))
        return
    doc = cell.comments.get(statement.end_lineno or statement.lineno, "").lstrip("#").strip()
    name, text = target.id, cell.text(statement)
    parameters[name] = Parameter(name=name, line=statement.lineno, text=text, default=value, hint=hint, doc=doc)
    start, end = cell.span(statement.value)
    edits.append(Edit(cell=cell.number, start=start, end=end, parameter=name))


def _printed(cell: PythonCell) -> list[str]:
    """Return the names in statements such as ``print(accuracy)``, which are Kale's metrics."""
    calls = [one.value for one in cell.tree.body if isinstance(one, ast.Expr) and isinstance(one.value, ast.Call)]
    prints = [call for call in calls if isinstance(call.func, ast.Name) and call.func.id == "print"]
    return [call.args[0].id for call in prints if len(call.args) == 1 and isinstance(call.args[0], ast.Name)]
